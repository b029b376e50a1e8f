"""The C++ kernels (`csrc/`) behind their plain C interface.

`setup.py` builds them with the compiler that is there, once per instruction
set; this file loads them with ctypes and takes the set that PyTorch itself
takes, so `ATEN_CPU_CAPABILITY=avx2` rules both. The structures mirror
`csrc/abi.h`, which says what each field is.
"""

import ctypes
import math
from ctypes import c_double, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Optional

import torch
from torch import Tensor

from ..loading import Unavailable, load_once
from .allocator import keep_freed_memory

_DTYPES = {torch.float32: 0, torch.bfloat16: 1}
_STATUSES = {
    1: (ValueError, 'order: a direction must visit every token exactly once'),
    2: (MemoryError, 'no memory for the workspace of the scan kernels'),
}
CHUNK, UNIT = 16, 16


class _Rows(ctypes.Structure):
    _fields_ = [('data', c_void_p)] + [
        (name, c_int64)
        for name in ('stride_k', 'stride_b', 'stride_l', 'dtype')
    ]


class _Args(ctypes.Structure):
    """Arguments of a kernel; tensors stay alive as long as these do."""

    def __init__(self, **values) -> None:
        super().__init__()
        self.values = values
        for name, value in values.items():
            if isinstance(value, Tensor):
                as_rows = isinstance(getattr(self, name), _Rows)
                value = _rows(value) if as_rows else value.data_ptr()
            if value is not None:
                setattr(self, name, value)


class ConvArgs(_Args):
    _fields_ = [
        *[(name, c_int64) for name in ('K', 'B', 'L', 'D', 'W')],
        *[(name, c_int64) for name in ('silu', 'threads', 'splits')],
        ('order', c_void_p),
        ('x', _Rows),
        ('weight', c_void_p),
        ('bias', c_void_p),
        *[(name, _Rows) for name in ('out', 'grad_x', 'sum')],
        ('grad_weight', c_void_p),
        ('grad_bias', c_void_p),
    ]


class ScanArgs(_Args):
    _fields_ = [
        *[(name, c_int64) for name in ('K', 'B', 'L', 'D', 'N')],
        *[(name, c_int64) for name in ('softplus', 'threads', 'splits')],
        ('order', c_void_p),
        *[(name, _Rows) for name in ('u', 'delta', 'b', 'c', 'z')],
        *[(name, c_void_p) for name in ('a', 'skip', 'delta_bias')],
        ('out', _Rows),
        ('states', c_void_p),
        *[(name, _Rows) for name in ('sum', 'grad_u', 'grad_delta', 'grad_z')],
        *[(name, c_void_p) for name in ('grad_b', 'grad_c', 'grad_a')],
        *[(name, c_void_p) for name in ('grad_skip', 'grad_delta_bias')],
    ]


class InnerArgs(_Args):
    _fields_ = [
        ('conv', ConvArgs),
        ('scan', ScanArgs),
        ('rank', c_int64),
        *[(name, c_void_p) for name in ('x_proj', 'dt_proj', 'projected')],
        *[(name, c_void_p) for name in ('grad_x_proj', 'grad_dt_proj')],
    ]


class NormArgs(_Args):
    _fields_ = [
        *[(name, c_int64) for name in ('rows', 'columns', 'threads')],
        ('eps', c_double),
        *[(name, c_void_p) for name in ('x', 'weight')],
        ('out', _Rows),
        *[(name, c_void_p) for name in ('scale', 'grad_x', 'grad_weight')],
    ]


@load_once
def library() -> ctypes.CDLL:
    """The kernels."""
    remedy = (
        'install a C++ compiler (g++ or clang++), then install mmvideomamba '
        'again, or run `python setup.py build_ext --inplace` in its folder'
    )
    try:
        # After `import torch`, so that its OpenMP runtime serves both.
        kernels = ctypes.CDLL(
            str(Path(__file__).parent.with_name('_kernels.so'))
        )
    except OSError as error:
        raise Unavailable(
            f'its C++ kernels are missing ({error}): {remedy}'
        ) from error
    description = (c_int64 * 6)()
    if hasattr(kernels, 'describe_baseline'):
        kernels.describe_baseline(description)
    sizes = map(ctypes.sizeof, (ConvArgs, ScanArgs, InnerArgs, NormArgs))
    if tuple(description) != (CHUNK, UNIT, *sizes):
        raise Unavailable(
            f'its C++ kernels were built from other sources: {remedy}'
        )
    keep_freed_memory()
    return kernels


@cache
def instruction_set() -> str:
    """The widest instruction set that both PyTorch and the kernels use."""
    name = torch.backends.cpu.get_cpu_capability().lower()
    return name if hasattr(library(), f'describe_{name}') else 'baseline'


def run(kernel: str, args: ctypes.Structure) -> None:
    """Call a kernel by name; its errors become Python's."""
    function = getattr(library(), f'{kernel}_{instruction_set()}')
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


def readable(t: Optional[Tensor]) -> Optional[Tensor]:
    """`t` itself if the kernels can read it, else a copy that they can."""
    if t is None:
        return None
    if t.dtype not in _DTYPES:
        t = t.float()
    return t if t.stride(-1) == 1 or t.shape[-1] == 1 else t.contiguous()


def parameter(t: Optional[Tensor]) -> Optional[Tensor]:
    """`t` as the kernels read parameters: float32, contiguous."""
    return None if t is None else t.float().contiguous()


def _rows(t: Tensor) -> _Rows:
    stride_k = t.stride(0) if t.ndim == 4 else 0
    return _Rows(t.data_ptr(), stride_k, *t.stride()[-3:-1], _DTYPES[t.dtype])
