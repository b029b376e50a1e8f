"""Read what `torch.save` wrote, as data."""

import argparse
import contextlib
import os
import re
import warnings
import zipfile
from typing import (
    Any,
    BinaryIO,
    Callable,
    FrozenSet,
    Iterator,
    Sequence,
    Union,
)

import torch

from .plain_data import NAMES, look_into, require_plain
from .plain_numpy import STANDINS, UnsafeFile, printable, unsafe_call

MapLocation = Union[str, torch.device, Callable, None]
# Upstream training scripts save their arguments beside the weights.
ALLOWED = [argparse.Namespace, *STANDINS]


class DamagedFile(ValueError):
    """A file that is cut or changed; the message says how."""


def read_torch(
    stream: BinaryIO,
    map_location: MapLocation = 'cpu',
    names: FrozenSet[str] = NAMES,
    standins: Sequence[Any] = (),
) -> Any:
    """Read a torch file; nothing of it runs.

    Args:
        stream: The file.
        map_location: As for `torch.load`.
        names (frozenset[str]): What it may name.
        standins (Sequence): What stands for names that torch has not.

    Raises:
        DamagedFile, UnsafeFile: It cannot or must not be read.
    """
    with _explained():
        look_into(stream, names=names)
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        with _allowing([*ALLOWED, *standins]):
            content = torch.load(
                stream, map_location=map_location, weights_only=True
            )
        return require_plain(content, size)


def read_outline(path: str) -> Any:
    """The same without reading the numbers, of a file that torch writes now.

    The tensors that it returns are not to be used: they last as long as the
    file does.
    """
    size = os.path.getsize(path)
    with _explained():
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile
        with open(path, 'rb') as stream:
            look_into(stream, whole=False)
        with _allowing(ALLOWED):
            content = torch.load(
                path, map_location='cpu', weights_only=True, mmap=True
            )
        return require_plain(content, size)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # torch's of itself, where it reads a quantized tensor.
            warnings.filterwarnings('ignore', 'TypedStorage is deprecated')
            # Nor does anyone write into the bytes of a pickled tensor.
            warnings.filterwarnings('ignore', 'The given buffer is not')
            yield
    except UnsafeFile:
        raise
    except zipfile.BadZipFile as error:
        # zipfile names the part whose checksum differs.
        changed = 'CRC' in str(error)
        raise DamagedFile(
            'its content was changed' if changed else 'cut short'
        ) from error
    except Exception as error:  # a damaged file can raise anything
        if 'map_location' in str(error):
            raise  # a good file, but of a device that is not available
        named = re.search(r'GLOBAL ([\w.]+)', str(error))  # torch's own list
        if named:
            raise unsafe_call(named[1]) from error
        said = re.search(r'WeightsUnpickler error: (.+)', str(error))
        lines = [*str(error).splitlines(), 'unexpected end']
        reason = printable(said[1] if said else lines[0])
        raise DamagedFile(reason[:200]) from error


@contextlib.contextmanager
def _allowing(classes: list) -> Iterator[None]:
    """`torch.serialization.safe_globals`, which torch 2.4 does not have.

    What is allowed already stays so.
    """
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(classes)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)
