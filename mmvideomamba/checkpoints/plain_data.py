"""What a torch file may hold: tensors, numbers, texts and containers.

torch's `weights_only=True` runs no code of a file. It still makes tensors of
memory that nobody wrote, follows lists that hold themselves, and unpacks
compressed archives of any size. So a file is looked at before torch opens it,
and what comes out of it before anyone uses it.
"""

import argparse
import pickletools
import zipfile
from collections import Counter, OrderedDict
from typing import Any, BinaryIO, Dict, FrozenSet, Iterator, Set

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn

from .plain_numpy import STANDINS, UnsafeFile, unsafe_call

# What a pickle may name. Classes that torch allows and that make memory of
# any size when they are called, such as torch.Tensor, are not among it.
NAMES = frozenset(
    [
        'argparse.Namespace',
        'builtins.complex',
        'builtins.getattr',  # of a HistoryBuffer alone, see `plain_numpy`
        'builtins.set',
        'collections.Counter',
        'collections.OrderedDict',
        '_codecs.encode',  # bytes, under pickle protocol 2
        'torch.Size',
        'torch.device',
        'torch.serialization._get_layout',
        'torch.nn.parameter.Parameter',
        *(f'{s.__module__}.{s.__qualname__}' for s in STANDINS),
        *(
            f'torch._utils._rebuild_{what}'
            for what in (
                'tensor',
                'tensor_v2',
                'parameter',
                # No weights; `tensor_checks` names them.
                'sparse_tensor',
                'qtensor',
                'meta_tensor_no_storage',
            )
        ),
        *(
            f'torch.{value}'.replace('torch.torch.', 'torch.')
            for value in vars(torch).values()
            if isinstance(value, (torch.dtype, torch.qscheme))
        ),
        *(
            f'torch.{device}{name}'
            for device in ('', 'cuda.')
            for name in vars(torch)
            if name.endswith('Storage') and not name.startswith('_')
        ),
    ]
) - {'torch.UntypedStorage', 'torch.TypedStorage'}
_LEAVES = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    torch.dtype,
    torch.device,
    torch.layout,
    HistoryBuffer,
)
_CONTAINERS = (dict, OrderedDict, Counter, list, tuple, set, torch.Size)
MAX_DEPTH = 32
MAX_ITEMS = 10_000_000
# Tensors may share memory; so many times the size of their file is plenty.
MAX_SHARING = 4


def look_into(
    stream: BinaryIO, whole: bool = True, names: FrozenSet[str] = NAMES
) -> None:
    """Check what can be seen of a torch file without opening it.

    Args:
        stream: The file.
        whole (bool): Also compare the numbers with their checksums.
        names (frozenset[str]): What its pickles may name.

    Raises:
        zipfile.BadZipFile: It is cut or damaged.
        UnsafeFile: It is compressed, or names what no weights need.
    """
    start = stream.read(4)
    stream.seek(0)
    if start != b'PK\x03\x04':
        _look_into_old_file(stream, names)
        return
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        size = stream.seek(0, 2)
        if any(e.compress_type != zipfile.ZIP_STORED for e in entries) or (
            sum(entry.file_size for entry in entries) > size
        ):
            raise UnsafeFile(
                'it is compressed and may unpack to any size; torch saves '
                'without compression'
            )
        if len({entry.filename for entry in entries}) != len(entries):
            raise UnsafeFile('two of its parts have one name')
        for entry in entries:
            if entry.filename.endswith('.pkl'):
                _require_known_names(archive.read(entry), names)
            elif whole and entry.CRC:  # torch can be told to leave it out
                with archive.open(entry) as part:
                    while part.read(1 << 22):
                        pass


def _look_into_old_file(stream: BinaryIO, names: FrozenSet[str]) -> None:
    """Of torch before 1.6: pickles, the content among them, then numbers."""
    for _ in range(5):
        start = stream.tell()
        for _ in pickletools.genops(stream):
            pass
        end = stream.tell()
        stream.seek(start)
        _require_known_names(stream.read(end - start), names)
        if stream.read(1) != b'\x80':
            return
        stream.seek(end)


def _require_known_names(pickled: bytes, names: FrozenSet[str]) -> None:
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == 'GLOBAL':
            module, name = str(argument).split(' ', 1)
            module = module.replace('__builtin__', 'builtins')
            if f'{module}.{name}' not in names:
                raise unsafe_call(f'{module}.{name}'.replace('builtins.', ''))


def require_plain(content: Any, size: int) -> Any:
    """Check what torch read; return it.

    Args:
        content: As `torch.load` returns it.
        size (int): Of the file, in bytes.

    Raises:
        UnsafeFile: It holds something else than plain data, itself, or more
            than the file can have.
    """
    look = _Look()
    look.count(content, 0)
    if look.storage > size or look.viewed > MAX_SHARING * size + 2**26:
        raise UnsafeFile(
            f'its tensors claim {max(look.storage, look.viewed)} '
            f'bytes, the file has {size}'
        )
    return content


class _Look:
    """Adds up what a content holds."""

    def __init__(self) -> None:
        self.counts: Dict[int, int] = {}
        self.storages: Set[int] = set()
        self.storage = 0  # bytes of all memory
        self.viewed = 0  # bytes of all tensors, shared ones each time

    def count(self, value: Any, depth: int) -> int:
        """Items in a value, those it holds twice counted twice."""
        kind = type(value)
        if kind in _LEAVES or isinstance(value, (np.number, np.bool_)):
            return 1
        if id(value) in self.counts:
            if not self.counts[id(value)]:
                raise UnsafeFile('a part of it holds itself')
            return self.counts[id(value)]
        self.counts[id(value)] = 0
        total = 1
        if kind in (Tensor, nn.Parameter):
            self._add(value)
        elif kind not in _CONTAINERS + (argparse.Namespace,) and not (
            isinstance(value, np.ndarray)
        ):
            raise UnsafeFile(f'{kind.__name__} is no plain data')
        elif depth > MAX_DEPTH:
            raise UnsafeFile(f'nested {MAX_DEPTH} times')
        else:
            total += sum(self.count(v, depth + 1) for v in _parts(value))
        if total > MAX_ITEMS:
            raise UnsafeFile(f'more than {MAX_ITEMS} items')
        self.counts[id(value)] = total
        return total

    def _add(self, tensor: Tensor) -> None:
        if (
            tensor.layout != torch.strided
            or tensor.is_quantized
            or tensor.device.type == 'meta'
        ):
            return
        self.viewed += tensor.numel() * tensor.element_size()
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.storages:
            self.storages.add(storage.data_ptr())
            self.storage += storage.nbytes()


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, np.ndarray):
        return
    if isinstance(value, argparse.Namespace):
        yield from vars(value).values()
        return
    extra = dict(getattr(value, '__dict__', {}))
    yield extra.pop('_metadata', None)
    if extra:
        raise UnsafeFile(f'{type(value).__name__} with attributes {[*extra]}')
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    else:
        yield from value
