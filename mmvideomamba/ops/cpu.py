"""The engine for CPUs: C++ kernels (`csrc/`) behind a plain C interface.

`setup.py` builds them with the compiler that is there, once per instruction
set; this file loads them with ctypes and takes the set that PyTorch itself
takes, so `ATEN_CPU_CAPABILITY=avx2` rules both. Arithmetic is float32; rows
of tokens may be float32 or bfloat16, with any strides. float16 is converted
to float32 and back, and float64, which exists for checking, goes to the
reference.

Results are the same bit for bit from run to run with one number of threads
(`torch.set_num_threads`).
"""

import ctypes
import math
from ctypes import c_double, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Optional, Tuple, Union

import torch
from torch import Tensor

from . import library, reference
from .memory import keep_freed_memory

# From here to the functions: csrc/abi.h, which says what each field is.
_DTYPES = {torch.float32: 0, torch.bfloat16: 1}
_STATUSES = {
    1: (ValueError, 'order: a direction must visit every token exactly once'),
    2: (MemoryError, 'no memory for the workspace of the scan kernels'),
}
_CHUNK, _UNIT = 16, 16


class _Rows(ctypes.Structure):
    _fields_ = [('data', c_void_p)] + [
        (name, c_int64)
        for name in ('stride_k', 'stride_b', 'stride_l', 'dtype')
    ]


class _Args(ctypes.Structure):
    """Arguments of a kernel; tensors stay alive as long as these do."""

    def __init__(self, **values) -> None:
        super().__init__()
        self.tensors = []
        types = dict(self._fields_)
        for name, value in values.items():
            if isinstance(value, Tensor):
                self.tensors.append(value)
                as_rows = types[name] is _Rows
                value = _rows(value) if as_rows else value.data_ptr()
            if value is not None:
                setattr(self, name, value)


class _ConvArgs(_Args):
    _fields_ = [
        *[(name, c_int64) for name in ('K', 'B', 'L', 'D', 'W')],
        *[(name, c_int64) for name in ('silu', 'threads', 'splits')],
        ('order', c_void_p),
        ('x', _Rows),
        ('weight', c_void_p),
        ('bias', c_void_p),
        ('out', _Rows),
        ('grad_x', _Rows),
        ('sum', c_void_p),
        ('grad_weight', c_void_p),
        ('grad_bias', c_void_p),
    ]


class _ScanArgs(_Args):
    _fields_ = [
        *[(name, c_int64) for name in ('K', 'B', 'L', 'D', 'N')],
        *[(name, c_int64) for name in ('softplus', 'threads', 'splits')],
        ('order', c_void_p),
        *[(name, _Rows) for name in ('u', 'delta', 'b', 'c', 'z')],
        *[(name, c_void_p) for name in ('a', 'skip', 'delta_bias')],
        ('out', _Rows),
        ('states', c_void_p),
        ('sum', c_void_p),
        *[(name, _Rows) for name in ('grad_u', 'grad_delta', 'grad_z')],
        *[(name, c_void_p) for name in ('grad_b', 'grad_c', 'grad_a')],
        *[(name, c_void_p) for name in ('grad_skip', 'grad_delta_bias')],
    ]


class _NormArgs(_Args):
    _fields_ = [
        *[(name, c_int64) for name in ('rows', 'columns', 'threads')],
        ('eps', c_double),
        *[(name, c_void_p) for name in ('x', 'weight', 'out', 'scale')],
        *[(name, c_void_p) for name in ('grad_x', 'grad_weight')],
    ]


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
) -> Tensor:
    """See `mmvideomamba.ops.causal_conv1d`."""
    if x.dtype == torch.float64:
        return reference.causal_conv1d(x, weight, bias, order, activation)
    return library.causal_conv1d('cpu', x, weight, bias, order, activation)


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Optional[Tensor],
    z: Optional[Tensor],
    delta_bias: Optional[Tensor],
    delta_softplus: bool,
    order: Optional[Tensor],
) -> Tensor:
    """See `mmvideomamba.ops.selective_scan`."""
    inputs = (u, delta, A, B, C, D, z, delta_bias, delta_softplus, order)
    if u.dtype == torch.float64:
        return reference.selective_scan(*inputs)
    return library.selective_scan('cpu', *inputs)


def why_not(device_type: str) -> Optional[str]:
    """Return what keeps this engine from running, None where it runs."""
    if device_type != 'cpu':
        return f'it runs on cpu tensors, not on {device_type}'
    loaded = _load()
    return loaded if isinstance(loaded, str) else None


@cache
def _load() -> Union[ctypes.CDLL, str]:
    """The kernels, or why there are none."""
    remedy = (
        'install a C++ compiler (g++ or clang++), then install mmvideomamba '
        'again, or run `python setup.py build_ext --inplace` in its folder'
    )
    try:
        # After `import torch`, so that its OpenMP runtime serves both.
        kernels = ctypes.CDLL(str(Path(__file__).with_name('_kernels.so')))
    except OSError as error:
        return f'its C++ kernels are missing ({error}): {remedy}'
    description = (c_int64 * 5)()
    kernels.describe_baseline(description)
    sizes = map(ctypes.sizeof, (_ConvArgs, _ScanArgs, _NormArgs))
    if tuple(description) != (_CHUNK, _UNIT, *sizes):
        return f'its C++ kernels were built from other sources: {remedy}'
    keep_freed_memory()
    return kernels


@cache
def instruction_set() -> str:
    """The widest instruction set that both PyTorch and the kernels use."""
    name = torch.backends.cpu.get_cpu_capability().lower()
    return name if hasattr(_load(), f'describe_{name}') else 'baseline'


def _run(kernel: str, args: ctypes.Structure) -> None:
    function = getattr(_load(), f'{kernel}_{instruction_set()}')
    status = function(ctypes.byref(args))
    if status:
        error, message = _STATUSES[status]
        raise error(message)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tuple[Tensor, Tensor]:
    """The norm of `norm.py` over the last axis, and the scale it took.

    Args:
        x (Tensor): (..., C) float32.
        weight (Tensor): (C,) float32.
        eps (float): Added to the mean square.

    Returns:
        tuple: The result, as `x`, and the scale (...), for backward.
    """
    rows = x.contiguous()
    out, scale = torch.empty_like(rows), x.new_empty(x.shape[:-1])
    _run('rms_norm', _norm_args(rows, weight, out, scale, eps=eps))
    return out, scale


def rms_norm_backward(
    grad: Tensor, x: Tensor, weight: Tensor, scale: Tensor
) -> Tuple[Tensor, Tensor]:
    """Gradients of x and weight, given that of the result."""
    rows = x.contiguous()
    grad_x = torch.empty_like(rows)
    grad_weight = x.new_empty(torch.get_num_threads(), len(weight))
    args = _norm_args(
        rows,
        weight,
        grad.contiguous(),
        scale,
        grad_x=grad_x,
        grad_weight=grad_weight,
    )
    _run('rms_norm_backward', args)
    return grad_x, grad_weight.sum(0)


def _norm_args(x, weight, out, scale, **others) -> _NormArgs:
    return _NormArgs(
        rows=scale.numel(),
        columns=len(weight),
        threads=torch.get_num_threads(),
        x=x,
        weight=weight.contiguous(),
        out=out,
        scale=scale,
        **others,
    )


def _conv_forward(x, weight, bias, order, silu):
    rows = _readable(x)
    out = rows.new_empty(len(weight), *x.shape)
    args = _conv_args(rows, weight, bias, order, silu, out)
    _run('causal_conv1d', args)
    return out.to(x.dtype)


def _conv_backward(grad, x, weight, bias, order, silu):
    rows = _readable(x)
    K, D, W = weight.shape
    grad_x = torch.empty_like(rows, memory_format=torch.contiguous_format)
    grad_weight = rows.new_empty(len(x), K, D, W, dtype=torch.float32)
    grad_bias = None if bias is None else torch.empty_like(grad_weight[..., 0])
    args = _conv_args(
        rows,
        weight,
        bias,
        order,
        silu,
        _readable(grad),
        grad_x=grad_x,
        sum=_sum_memory(grad_x, K),
        grad_weight=grad_weight,
        grad_bias=grad_bias,
    )
    _run('causal_conv1d_backward', args)
    return (
        grad_x.to(x.dtype),
        _add_up(grad_weight, weight),
        _add_up(grad_bias, bias),
    )


def _conv_args(x, weight, bias, order, silu, out, **gradients) -> _ConvArgs:
    K, D, W = weight.shape
    batch, length, _ = x.shape
    return _ConvArgs(
        **dict(K=K, B=batch, L=length, D=D, W=W),
        silu=silu,
        **_threading(batch, D),
        order=None if order is None else order.contiguous(),
        x=x,
        weight=_parameter(weight),
        bias=_parameter(bias),
        out=out,
        **gradients,
    )


def _scan_forward(
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, order, save_states
):
    rows = _readable(u)
    out = rows.new_empty(u.shape[1:])
    shape = _states_shape(u, A) if save_states else (0,)
    states = u.new_empty(shape, dtype=torch.float32)
    args = _scan_args(
        rows,
        delta,
        A,
        B,
        C,
        D,
        z,
        delta_bias,
        delta_softplus,
        order,
        out,
        states=states if save_states else None,
        sum=_sum_memory(out, len(u)),
    )
    _run('selective_scan', args)
    return out.to(u.dtype), states


def _scan_backward(
    grad, states, u, delta, A, B, C, D, z, delta_bias, delta_softplus, order
):
    K, batch, length, channels = u.shape
    N = A.shape[-1]

    def partials(*shape):
        return u.new_empty(shape, dtype=torch.float32)

    def like(t):
        return None if t is None else _readable(t).new_empty(t.shape)

    splits = _threading(batch, channels)['splits']
    grad_u, grad_delta, grad_z = like(u), like(delta), like(z)
    grad_A = partials(batch, K, channels, N)
    grad_B = partials(splits, K, batch, length, N)
    grad_C = torch.empty_like(grad_B)
    grad_D = None if D is None else partials(batch, K, channels)
    grad_bias = None if delta_bias is None else partials(batch, K, channels)
    args = _scan_args(
        _readable(u),
        delta,
        A,
        B,
        C,
        D,
        z,
        delta_bias,
        delta_softplus,
        order,
        _readable(grad),
        states=states,
        sum=None if z is None else _sum_memory(grad_z, K),
        grad_u=grad_u,
        grad_delta=grad_delta,
        grad_z=grad_z,
        grad_b=grad_B,
        grad_c=grad_C,
        grad_a=grad_A,
        grad_skip=grad_D,
        grad_delta_bias=grad_bias,
    )
    _run('selective_scan_backward', args)
    return (
        grad_u.to(u.dtype),
        grad_delta.to(delta.dtype),
        _add_up(grad_A, A),
        _add_up(grad_B, B),
        _add_up(grad_C, C),
        _add_up(grad_D, D),
        None if z is None else grad_z.to(z.dtype),
        _add_up(grad_bias, delta_bias),
    )


def _scan_args(
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, order, out, **others
) -> _ScanArgs:
    K, batch, length, channels = u.shape
    return _ScanArgs(
        **dict(K=K, B=batch, L=length, D=channels, N=A.shape[-1]),
        softplus=delta_softplus,
        **_threading(batch, channels),
        order=None if order is None else order.contiguous(),
        u=u,
        delta=_readable(delta),
        b=_readable(B),
        c=_readable(C),
        z=None if z is None else _readable(z),
        a=_parameter(A),
        skip=_parameter(D),
        delta_bias=_parameter(delta_bias),
        out=out,
        **others,
    )


def _states_shape(u: Tensor, A: Tensor) -> Tuple[int, ...]:
    """The state before each chunk but the first, by units of channels."""
    K, batch, length, channels = u.shape
    units = (channels + _UNIT - 1) // _UNIT
    return K, batch, (length - 1) // _CHUNK, units, A.shape[-1], _UNIT


def _threading(batch: int, channels: int) -> dict:
    """Divide each batch element's channels only as far as balance needs."""
    threads = torch.get_num_threads()
    units = (channels + _UNIT - 1) // _UNIT
    splits = min(threads // math.gcd(threads, batch), units)
    return dict(threads=threads, splits=splits)


def _readable(t: Tensor) -> Tensor:
    """`t` itself if the kernels can read it, else a copy that they can."""
    if t.dtype not in _DTYPES:
        t = t.float()
    return t if t.stride(-1) == 1 or t.shape[-1] == 1 else t.contiguous()


def _parameter(t: Optional[Tensor]) -> Optional[Tensor]:
    return None if t is None else t.float().contiguous()


def _rows(t: Tensor) -> _Rows:
    stride_k = t.stride(0) if t.ndim == 4 else 0
    return _Rows(t.data_ptr(), stride_k, *t.stride()[-3:-1], _DTYPES[t.dtype])


def _sum_memory(result: Tensor, num_directions: int) -> Optional[Tensor]:
    """Where the directions' float32 sum waits for the last of them."""
    if result.dtype == torch.float32:
        return result
    if num_directions == 1:
        return None
    return torch.empty_like(result, dtype=torch.float32)


def _add_up(
    partials: Optional[Tensor], like: Optional[Tensor]
) -> Optional[Tensor]:
    """Sum over the first axis, in the dtype of `like`."""
    if partials is None:
        return None
    total = partials[0] if len(partials) == 1 else partials.sum(0)
    return total.to(like.dtype)


library.register_kernels(
    'cpu',
    library.Kernels(
        _conv_forward,
        _conv_backward,
        _scan_forward,
        _scan_backward,
        _states_shape,
    ),
)
