"""What the operators accept: one check, whichever way a call comes.

Every operator of `registration.py`, the backward passes too, calls the
function here that is named like it, before its kernel; `api.py` calls it for
the backends that are not registered. So no backend, and no pointer, meets
anything unchecked.

Axes are named as in `reference.py`; P = R + 2 N projections: dt, B and C.
"""

from typing import Any, Dict, Sequence

import torch
from torch import Tensor

from .orders import require_permutations

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
OPTIONS = (bool, str, type(None))
# Axes without which there is nothing to compute along.
NEVER_EMPTY = {
    'K': 'at least one direction',
    'L': 'at least one token',
    'W': 'at least one tap',
}

# What an argument's axes are called, by the argument.
Layouts = Dict[str, Sequence[str]]
Sizes = Dict[str, int]

# In the order of the operators' arguments.
CONV: Layouts = dict(x='BLD', weight='KDW', bias='KD')
SCAN: Layouts = dict(
    u='KBLD',
    delta='KBLD',
    A='KDN',
    B='KBLN',
    C='KBLN',
    D='KD',
    z='BLD',
    delta_bias='KD',
)
INNER: Layouts = dict(
    xz=('B', 'L', '2D'),
    conv_weight='KDW',
    conv_bias='KD',
    x_proj='KPD',
    dt_proj='KDR',
    dt_bias='KD',
    A='KDN',
    D='KD',
)


def causal_conv1d(
    x: Any, weight: Any, bias: Any, order: Any, activation: Any
) -> Sizes:
    """Raise unless these are arguments of `mmvideomamba.ops.causal_conv1d`.

    Returns:
        dict: Axis -> its size.

    Raises:
        TypeError: Something else than a tensor.
        ValueError: A dtype, layout, shape or device that does not fit, an
            order that is none, an unknown activation.
    """
    sizes = _check(CONV, (x, weight, bias), order, optional=('bias',))
    if activation not in ('silu', None):
        raise ValueError(
            f"activation must be 'silu' or None, got {activation!r}"
        )
    return sizes


def selective_scan(
    u: Any,
    delta: Any,
    A: Any,
    B: Any,
    C: Any,
    D: Any,
    z: Any,
    delta_bias: Any,
    delta_softplus: Any,
    order: Any,
) -> Sizes:
    """As `causal_conv1d`, for `mmvideomamba.ops.selective_scan`."""
    tensors = u, delta, A, B, C, D, z, delta_bias
    return _check(SCAN, tensors, order, optional=('D', 'z', 'delta_bias'))


def mamba_inner(
    xz: Any,
    conv_weight: Any,
    conv_bias: Any,
    x_proj: Any,
    dt_proj: Any,
    dt_bias: Any,
    A: Any,
    D: Any,
    order: Any,
) -> Sizes:
    """As `causal_conv1d`, for `mmvideomamba.ops.mamba_inner`."""
    parameters = conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D
    sizes = _check(INNER, (xz, *parameters), order)
    for name, t, axis, size in (
        ('xz', xz, '2D', 2 * sizes['D']),
        ('x_proj', x_proj, 'P', sizes['R'] + 2 * sizes['N']),
    ):
        if sizes[axis] != size:
            sizes[axis] = size
            _refuse_shape(name, t, INNER[name], sizes)
    return sizes


def rms_norm(x: Any, weight: Any) -> None:
    """As `causal_conv1d`, for `mmvideomamba.ops.rms_norm`."""
    for name, t in (('x', x), ('weight', weight)):
        _require_floats(name, t)
        _require_device(name, t, x.device)
    if weight.ndim != 1 or x.shape[-1:] != weight.shape:
        raise ValueError(
            'expected x (..., C) and weight (C,), got shapes '
            f'{tuple(x.shape)} and {tuple(weight.shape)}'
        )


def rms_norm_kernel(x: Any, weight: Any) -> None:
    """As `rms_norm`, for the kernel, which takes float32 alone."""
    rms_norm(x, weight)
    if not x.dtype == weight.dtype == torch.float32:
        raise ValueError(
            f'expected x and weight in float32, got {x.dtype} and '
            f'{weight.dtype}'
        )


def reach_the_check(inputs: Sequence[Any]) -> bool:
    """Whether PyTorch hands these to a kernel, which checks them.

    What is neither a dense tensor, nor absent, nor an option, it refuses
    itself, in words of its own.
    """
    return inputs[0] is not None and all(
        _is_dense(t) if isinstance(t, Tensor) else isinstance(t, OPTIONS)
        for t in inputs
    )


def gradient(grad: Any, shape: Sequence[int], beside: Tensor) -> None:
    """Raise unless `grad` can be the gradient of a result of that shape."""
    _require_floats('grad', grad)
    _require_device('grad', grad, beside.device)
    _require_shape('grad', grad, shape)


def kept(
    name: str,
    t: Any,
    shape: Sequence[int],
    beside: Tensor,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Raise unless `t` can be what a forward pass kept for this backward."""
    _require_tensor(name, t)
    _require_device(name, t, beside.device)
    _require_shape(name, t, shape)
    if t.dtype != dtype or not t.is_contiguous():
        raise ValueError(
            f'{name}: expected contiguous {dtype}, got {t.dtype} with '
            f'strides {t.stride()}'
        )


def _check(
    layouts: Layouts,
    tensors: Sequence[Any],
    order: Any,
    optional: Sequence[str] = (),
) -> Sizes:
    """Check the tensors; return what size each axis has."""
    sizes: Sizes = {}
    device = None
    for (name, axes), t in zip(layouts.items(), tensors):
        if t is None and name in optional:
            continue
        # The calls are for their errors: each would take its time.
        if (
            not isinstance(t, Tensor)
            or t.dtype not in FLOATS
            or t.layout is not torch.strided
            or t.is_nested
        ):
            _require_floats(name, t)
        if device is None:
            device = t.device
        elif t.device != device:
            _require_device(name, t, device)
        _check_shape(name, t, axes, sizes)
    for axis, expected in NEVER_EMPTY.items():
        if axis in sizes and sizes[axis] == 0:
            raise ValueError(f'expected {expected}, got {axis} = 0')
    if order is not None:
        _check_order(order, sizes, tensors[0])
    return sizes


def _check_shape(
    name: str, t: Tensor, axes: Sequence[str], sizes: Sizes
) -> None:
    """Compare with the tensors before it; add the sizes of new axes."""
    shape = t.shape
    fits = len(shape) == len(axes)
    for axis, size in zip(axes, shape):
        fits = sizes.setdefault(axis, size) == size and fits
    if not fits:
        _refuse_shape(name, t, axes, sizes)


def _refuse_shape(
    name: str, t: Tensor, axes: Sequence[str], sizes: Sizes
) -> None:
    expected = f'({", ".join(axes)})'
    if t.ndim == len(axes):
        expected += f' = {tuple(sizes[axis] for axis in axes)}'
    raise ValueError(
        f'{name}: expected {expected}, got shape {tuple(t.shape)}'
    )


def _check_order(order: Any, sizes: Sizes, beside: Tensor) -> None:
    _require_tensor('order', order)
    if order.dtype != torch.int64:
        raise ValueError(f'order: expected int64, got {order.dtype}')
    _require_device('order', order, beside.device)
    _check_shape('order', order, 'KL', sizes)
    require_permutations(order)


def _is_dense(t: Tensor) -> bool:
    return t.layout is torch.strided and not t.is_nested


def _require_tensor(name: str, t: Any) -> None:
    if not isinstance(t, Tensor):
        came = 'None' if t is None else type(t).__name__
        raise TypeError(f'{name}: expected a tensor, got {came}')
    if not _is_dense(t):
        layout = 'a nested one' if t.is_nested else t.layout
        raise ValueError(f'{name}: expected a dense tensor, got {layout}')


def _require_floats(name: str, t: Any) -> None:
    _require_tensor(name, t)
    if t.dtype not in FLOATS:
        raise ValueError(
            f'{name}: expected float32, bfloat16, float16 or float64, got '
            f'{t.dtype}; convert it first'
        )


def _require_device(name: str, t: Tensor, device: torch.device) -> None:
    if t.device != device:
        raise ValueError(
            f'expected all tensors on one device, got {device} and '
            f'{t.device} ({name})'
        )


def _require_shape(name: str, t: Tensor, shape: Sequence[int]) -> None:
    if t.shape != tuple(shape):
        raise ValueError(
            f'{name}: expected shape {tuple(shape)}, got {tuple(t.shape)}'
        )
