"""How a tool ends that cannot do what it was asked."""

import sys
from contextlib import contextmanager
from typing import Iterator


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with `error: MESSAGE` where a user can act on it.

    These are `OSError` and `ValueError`, whose messages name what was
    expected and what came. Every other error is a fault of the program and
    keeps its traceback. Also a decorator:

        @one_line_errors()
        def main() -> None:
    """
    try:
        yield
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
