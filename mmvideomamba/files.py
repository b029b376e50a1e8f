"""Writing files: complete under their name, or not there."""

import json
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Iterator, Union


@contextmanager
def atomic_write(path: Union[str, Path]) -> Iterator[str]:
    """Write a file that appears under its name only when it is complete.

        with atomic_write('scores.pkl') as partial:
            dump(scores, partial)

    Args:
        path (str | Path): The file to write. Its folder is made if need be;
            a file that is there is replaced.

    Yields:
        str: Path of an empty file in the same folder, with the same suffix.
        It replaces `path` when the context ends, and is removed if the
        context ends with an error.
    """
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    handle, partial = tempfile.mkstemp(
        dir=folder, prefix='.', suffix=os.path.splitext(path)[1]
    )
    os.close(handle)
    try:
        yield partial
        # mkstemp's files are readable by their owner alone.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(partial, 0o666 & ~umask)
        os.replace(partial, path)
    finally:
        with suppress(FileNotFoundError):
            os.remove(partial)


def write_text(path: Union[str, Path], text: str) -> None:
    """Write a text file in UTF-8, see `atomic_write`."""
    with (
        atomic_write(path) as partial,
        open(partial, 'w', encoding='utf-8') as file,
    ):
        file.write(text)


def write_json(path: Union[str, Path], value: Any) -> None:
    """Write what json can write, indented, see `atomic_write`."""
    write_text(path, json.dumps(value, indent=2) + '\n')
