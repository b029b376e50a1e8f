"""The C++ kernels (`../csrc/`) behind their plain C interface.

`setup.py` builds them with the compiler that is there, once per instruction
set; this file loads them with ctypes and takes the set that PyTorch itself
takes, so `ATEN_CPU_CAPABILITY=avx2` rules both. The structures mirror
`../csrc/abi.h`, which says what each field is; a library that places one
elsewhere is refused.
"""

import ctypes
import logging
import math
import sys
from ctypes import c_char_p, c_double, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Dict, Optional, TypeVar

import torch
from torch import Tensor

from ... import waiting_threads
from ..loading import Unavailable, load_once
from .allocator import keep_freed_memory

logger = logging.getLogger(__name__)

_DTYPES = {torch.float32: 0, torch.bfloat16: 1}
_STATUSES = {
    1: (ValueError, 'order: a direction must visit every token exactly once'),
    2: (MemoryError, 'no memory for the workspace of the scan kernels'),
}
CHUNK, UNIT = 16, 16
# An absent tensor stays absent.
MaybeTensor = TypeVar('MaybeTensor', Tensor, Optional[Tensor])


class Rows(ctypes.Structure):
    _fields_ = [
        ('data', c_void_p),
        ('stride_k', c_int64),
        ('stride_b', c_int64),
        ('stride_l', c_int64),
        ('dtype', c_int64),
    ]


class _Args(ctypes.Structure):
    """Arguments of a kernel; tensors stay alive as long as these do."""

    def __init__(self, **values: Any) -> None:
        super().__init__()
        self.values = values
        for name, value in values.items():
            if isinstance(value, Tensor):
                as_rows = isinstance(getattr(self, name), Rows)
                value = _rows(value) if as_rows else value.data_ptr()
            if value is not None:
                setattr(self, name, value)


class ConvArgs(_Args):
    _fields_ = [
        ('K', c_int64),
        ('B', c_int64),
        ('L', c_int64),
        ('D', c_int64),
        ('W', c_int64),
        ('silu', c_int64),
        ('threads', c_int64),
        ('splits', c_int64),
        ('order', c_void_p),
        ('x', Rows),
        ('weight', c_void_p),
        ('bias', c_void_p),
        ('out', Rows),
        ('grad_x', Rows),
        ('sum', Rows),
        ('grad_weight', c_void_p),
        ('grad_bias', c_void_p),
    ]


class ScanArgs(_Args):
    _fields_ = [
        ('K', c_int64),
        ('B', c_int64),
        ('L', c_int64),
        ('D', c_int64),
        ('N', c_int64),
        ('softplus', c_int64),
        ('threads', c_int64),
        ('splits', c_int64),
        ('order', c_void_p),
        ('u', Rows),
        ('delta', Rows),
        ('b', Rows),
        ('c', Rows),
        ('z', Rows),
        ('a', c_void_p),
        ('skip', c_void_p),
        ('delta_bias', c_void_p),
        ('out', Rows),
        ('states', c_void_p),
        ('sum', Rows),
        ('grad_u', Rows),
        ('grad_delta', Rows),
        ('grad_z', Rows),
        ('grad_b', c_void_p),
        ('grad_c', c_void_p),
        ('grad_a', c_void_p),
        ('grad_skip', c_void_p),
        ('grad_delta_bias', c_void_p),
    ]


class InnerArgs(_Args):
    _fields_ = [
        ('conv', ConvArgs),
        ('scan', ScanArgs),
        ('rank', c_int64),
        ('x_proj', c_void_p),
        ('dt_proj', c_void_p),
        ('projected', c_void_p),
        ('grad_x_proj', c_void_p),
        ('grad_dt_proj', c_void_p),
    ]


class NormArgs(_Args):
    _fields_ = [
        ('rows', c_int64),
        ('columns', c_int64),
        ('threads', c_int64),
        ('eps', c_double),
        ('x', c_void_p),
        ('weight', c_void_p),
        ('out', Rows),
        ('scale', c_void_p),
        ('grad_x', c_void_p),
        ('grad_weight', c_void_p),
    ]


@load_once
def kernel_library() -> ctypes.CDLL:
    """The kernels."""
    path = Path(__file__).parent.with_name('_kernels.so')
    build = 'run `python setup.py build_ext --inplace` in its folder'
    try:
        # After `import torch`, so that its OpenMP runtime serves both.
        kernels = ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(
            f'its C++ kernels are missing ({error}): '
            + (
                _other_copy(path)
                or 'install a C++ compiler (g++ or clang++), then install '
                'mmvideomamba again'
            )
            + f', or {build}'
        ) from error
    abi = _abi(kernels)
    differing = sorted(
        name for name, _ in _expected_abi().items() ^ abi.items()
    )
    if differing:
        what = f'{differing[0]} differs' if abi else 'they do not say which'
        raise Unavailable(
            f'its C++ kernels were built from other sources ({what}): {build}'
            + (f', or {other}' if (other := _other_copy(path)) else '')
        )
    keep_freed_memory()
    if waiting_threads.SHORTENED:
        logger.info(
            'waiting threads soon give way to other programs; '
            'set GOMP_SPINCOUNT or OMP_WAIT_POLICY for another choice'
        )
    return kernels


def _other_copy(path: Path) -> Optional[str]:
    """Where a copy of the package with kernels is, if Python took another."""
    ours = path.parents[2]
    for folder in map(Path, sys.path):
        other = folder.resolve() / path.relative_to(ours)
        if other.is_file() and other != path.resolve():
            return (
                f'Python imports mmvideomamba from {ours}, and a copy with '
                f'kernels is in {folder.resolve()}: to use that one, start '
                f'Python outside of {ours} and take {ours} out of PYTHONPATH'
            )
    return None


class _AbiEntry(ctypes.Structure):
    _fields_ = [('name', c_char_p), ('value', c_int64)]


def _abi(kernels: ctypes.CDLL) -> Dict[str, int]:
    """Sizes and offsets as the library describes them, by name."""
    if not hasattr(kernels, 'describe_abi_baseline'):
        return {}
    entries = ctypes.POINTER(_AbiEntry)()
    count = kernels.describe_abi_baseline(ctypes.byref(entries))
    return {entry.name.decode(): entry.value for entry in entries[:count]}


def _expected_abi() -> Dict[str, int]:
    """Sizes and offsets as this file has them, by name."""
    abi = dict(
        CHUNK=CHUNK,
        UNIT=UNIT,
        FLOAT32=_DTYPES[torch.float32],
        BFLOAT16=_DTYPES[torch.bfloat16],
    )
    for struct in (Rows, ConvArgs, ScanArgs, InnerArgs, NormArgs):
        abi[struct.__name__] = ctypes.sizeof(struct)
        for name, *_ in struct._fields_:
            field = getattr(struct, name)
            abi[f'{struct.__name__}.{name}'] = field.offset
    return abi


@cache
def instruction_set() -> str:
    """The widest instruction set that both PyTorch and the kernels use."""
    name = torch.backends.cpu.get_cpu_capability().lower()
    return (
        name
        if hasattr(kernel_library(), f'describe_abi_{name}')
        else 'baseline'
    )


def run(kernel: str, args: ctypes.Structure) -> None:
    """Call a kernel by name; its errors become Python's."""
    function = getattr(kernel_library(), f'{kernel}_{instruction_set()}')
    status = function(ctypes.byref(args))
    if status:
        error, message = _STATUSES[status]
        raise error(message)


def threading(batch: int, channels: int) -> dict:
    """Divide each batch element's channels only as far as balance needs."""
    threads = torch.get_num_threads()
    units = (channels + UNIT - 1) // UNIT
    splits = max(1, min(threads // math.gcd(threads, batch), units))
    return dict(threads=threads, splits=splits)


def readable(t: MaybeTensor) -> MaybeTensor:
    """`t` itself if the kernels can read it, else a copy that they can."""
    if t is None:
        return t
    if t.dtype not in _DTYPES:
        t = t.float()
    return t if t.stride(-1) == 1 or t.shape[-1] == 1 else t.contiguous()


def parameter(t: MaybeTensor) -> MaybeTensor:
    """`t` as the kernels read parameters: float32, contiguous."""
    return t if t is None else t.float().contiguous()


def _rows(t: Tensor) -> Rows:
    stride_k = t.stride(0) if t.ndim == 4 else 0
    return Rows(t.data_ptr(), stride_k, *t.stride()[-3:-1], _DTYPES[t.dtype])
