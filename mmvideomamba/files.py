"""Writing files: complete under their name, or not there."""

import errno
import json
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Iterator, Optional, Union

# A full disk, a used-up quota, the largest file that `ulimit -f` allows.
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# How the name of a file begins that is not complete.
_PARTIAL = '.partial_'


@contextmanager
def atomic_write(
    path: Union[str, Path], sync: bool = False, size: Optional[int] = None
) -> Iterator[str]:
    """Write a file that appears under its name only when it is complete.

        with atomic_write('scores.pkl') as partial:
            dump(scores, partial)

    Args:
        path (str | Path): The file to write. Its folder is made if need be;
            a file or link that is there is replaced, and what the link names
            stays as it is.
        sync (bool): Wait until the disk has the file, and its name, so that
            it survives a loss of power.
        size (int, optional): Its bytes where they are known, for the message
            of a full disk.

    Yields:
        str: Path of an empty file in the same folder, with the same suffix.
        It replaces `path` when the context ends, and is removed if the
        context ends with an error.

    Raises:
        OSError: It cannot be written: its path and why; of a full disk, also
            the space that there is.
    """
    path = os.path.abspath(path)
    folder, partial = os.path.dirname(path), None
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(
            f'cannot write {path}: it is a folder or a device, expected a '
            'file or a new name'
        )
    try:
        os.makedirs(folder, exist_ok=True)
        handle, partial = tempfile.mkstemp(
            dir=folder, prefix=_PARTIAL, suffix=os.path.splitext(path)[1]
        )
        os.close(handle)
        yield partial
        # mkstemp's files are readable by their owner alone.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(partial, 0o666 & ~umask)
        if sync:
            _sync(partial)
        os.replace(partial, path)
        if sync:
            _sync(folder)
    except OSError as error:
        if partial and error.filename not in (None, partial):
            raise  # of another file, which was read
        raise OSError(_explain(error, path, partial, size)) from error
    finally:
        if partial:
            with suppress(FileNotFoundError):
                os.remove(partial)


def remove_partial_files(folder: Union[str, Path], suffix: str) -> None:
    """Remove what programs that were killed had begun to write.

    Args:
        folder (str | Path): Nobody else may be writing to it now.
        suffix (str): Of the files that were to be written, with its dot.
    """
    for path in Path(folder).glob(f'{_PARTIAL}*{suffix}'):
        path.unlink(missing_ok=True)


def write_bytes(
    path: Union[str, Path], content: bytes, sync: bool = False
) -> None:
    """Write a file, see `atomic_write`."""
    with (
        atomic_write(path, sync, len(content)) as partial,
        open(partial, 'wb') as file,
    ):
        file.write(content)


def write_text(path: Union[str, Path], text: str) -> None:
    """Write a text file in UTF-8, see `atomic_write`."""
    write_bytes(path, text.encode())


def write_json(path: Union[str, Path], value: Any) -> None:
    """Write what json can write, indented, see `atomic_write`."""
    write_text(path, json.dumps(value, indent=2) + '\n')


def _sync(path: str) -> None:
    """Wait until the disk has a file, or the names in a folder."""
    if os.name == 'nt' and os.path.isdir(path):
        return  # Windows opens no folder
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explain(
    error: OSError, path: str, partial: Optional[str], size: Optional[int]
) -> str:
    message = f'cannot write {path}: {error.strerror or error}'
    if error.errno not in _NO_SPACE or partial is None:
        return message
    wanted = '' if size is None else f' of {size}'
    written = os.path.getsize(partial)
    free = shutil.disk_usage(partial).free
    return (
        f'{message}. {written} bytes{wanted} were written, {free} are free on '
        'that disk; make room, or write to another'
    )
