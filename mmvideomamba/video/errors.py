"""Errors of what reads videos, as one line that names the file."""

from contextlib import contextmanager
from typing import Iterator

from ..text import printable


@contextmanager
def naming_errors(path: str) -> Iterator[None]:
    """Raise what a reader of videos raises as an error that names the file.

    Raises:
        ValueError: The video cannot be read: its path and the reason.
    """
    try:
        yield
    except Exception as error:
        # By name, as decord need not be installed.
        known = type(error).__name__ == 'DECORDError'
        if not known and not isinstance(
            error, (OSError, RuntimeError, ValueError, IndexError)
        ):
            raise
        reason = describe_error(path, error)
        raise ValueError(f'{printable(path)}: {reason}') from error


def describe_error(path: str, error: Exception) -> str:
    """Why a video cannot be read, in a line that does not name it."""
    # FFmpeg's errors say more than their reason; decord's stack follows the
    # first line.
    reason = getattr(error, 'strerror', None) or str(error) or repr(error)
    for name in (path, printable(path)):
        reason = reason.replace(f'{name}: ', '', 1)
    return printable(reason.split('\n')[0])
