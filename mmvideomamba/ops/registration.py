"""The operators as PyTorch sees them: `torch.ops.mmvideomamba.*`.

A kernel is registered per device, in C++ for CPUs (`cpu/`) and in Triton for
CUDA GPUs (`triton/`), and PyTorch's dispatcher takes the one of the tensors'
device. This file holds what does not depend on the device: schemas, fake
kernels, autograd and FLOP formulas. So `torch.compile`, `torch.export` and
FLOP counters see each operator as one node, and a kernel sees raw tensors.

An operator, its kernels and its function in C++ have one name. What the
arguments mean is said in `api.py`, which has checked them.

Autocast has no rule for these operators and casts nothing: data arrive in
float32, bfloat16 or float16, the parameters A, D, delta_bias, weight and bias
in float32. Each gradient has the shape and the dtype of its input; an
operator cannot return None, so the gradients of absent inputs are missing.
"""

import math
from typing import Any, Callable, List, Optional, Sequence, Tuple

import torch
from torch import Tensor, library
from torch.utils.flop_counter import register_flop_formula

from . import triton
from .cpu import kernels

CONV = 'Tensor x, Tensor weight, Tensor? bias, Tensor? order, str? activation'
SCAN = (
    'Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, '
    'Tensor? z, Tensor? delta_bias, bool delta_softplus, Tensor? order'
)
INNER = (
    'Tensor xz, Tensor conv_weight, Tensor conv_bias, Tensor x_proj, '
    'Tensor dt_proj, Tensor dt_bias, Tensor A, Tensor D, Tensor? order'
)
# Devices whose kernels include `mamba_inner` and `rms_norm`. Their scan keeps
# states for its backward pass; the Triton kernels start from the inputs.
FUSED_DEVICES = ('cpu',)


def _define(name: str, schema: str) -> Any:
    operator = library.custom_op(
        f'mmvideomamba::{name}',
        getattr(kernels, name),
        mutates_args=(),
        device_types='cpu',
        schema=schema,
    )
    if name in triton.KERNELS:
        operator.register_kernel('cuda')(triton.kernel(name))
    return operator


# Whether anything is kept for a backward pass comes first, as `save`.
causal_conv1d = _define('causal_conv1d', f'({CONV}) -> Tensor')
_conv_backward = _define(
    'causal_conv1d_backward', f'(Tensor grad, {CONV}) -> Tensor[]'
)
_scan = _define(
    'selective_scan', f'(bool save, {SCAN}) -> (Tensor out, Tensor states)'
)
_scan_backward = _define(
    'selective_scan_backward',
    f'(Tensor grad, Tensor states, {SCAN}) -> Tensor[]',
)
_inner = _define(
    'mamba_inner',
    f'(bool save, {INNER}) -> (Tensor out, Tensor projected, Tensor states)',
)
_inner_backward = _define(
    'mamba_inner_backward',
    f'(Tensor grad, Tensor projected, Tensor states, {INNER}) -> Tensor[]',
)
_norm = _define(
    'rms_norm',
    '(Tensor x, Tensor weight, float eps, ScalarType dtype) -> '
    '(Tensor out, Tensor scale)',
)
_norm_backward = _define(
    'rms_norm_backward',
    '(Tensor grad, Tensor x, Tensor weight, Tensor scale) -> Tensor[]',
)


def selective_scan(*inputs: Any) -> Tensor:
    """See `mmvideomamba.ops.selective_scan`, for the inputs up to order."""
    return _scan(_wants_gradient(*inputs), *inputs)[0]


def mamba_inner(*inputs: Any) -> Tensor:
    """See `mmvideomamba.ops.mamba_inner`, for the inputs up to order."""
    return _inner(_wants_gradient(*inputs), *inputs)[0]


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """See `mmvideomamba.ops.rms_norm`; float32 on a CPU."""
    dtype = x.dtype
    # Under autocast the product that follows asks for bfloat16.
    if torch.is_autocast_enabled('cpu'):
        autocast_dtype = torch.get_autocast_dtype('cpu')
        if autocast_dtype == torch.bfloat16:
            dtype = autocast_dtype
    return _norm(x, weight, eps, dtype)[0]


def _wants_gradient(*inputs: Any) -> bool:
    return torch.is_grad_enabled() and any(
        isinstance(t, Tensor) and t.requires_grad for t in inputs
    )


# Fake kernels: shapes and dtypes of the results.


@causal_conv1d.register_fake
def _(x: Tensor, weight: Tensor, *others: Any) -> Tensor:
    return x.new_empty(weight.shape[0], *x.shape)


@_scan.register_fake
def _(
    save: bool, u: Tensor, delta: Tensor, A: Tensor, *others: Any
) -> Tuple[Tensor, Tensor]:
    states = u.new_empty(saved_shape(save, u, A), dtype=torch.float32)
    return u.new_empty(u.shape[1:]), states


@_inner.register_fake
def _(save: bool, xz: Tensor, *others: Any) -> Tuple[Tensor, Tensor, Tensor]:
    x_proj, A = others[2], others[5]
    out = xz.new_empty(*xz.shape[:2], A.shape[1])
    u = out.expand(len(A), *out.shape)
    projected = (*u.shape[:3], x_proj.shape[1]) if save else (0,)
    states = saved_shape(save, u, A)
    return (
        out,
        xz.new_empty(projected, dtype=torch.float32),
        xz.new_empty(states, dtype=torch.float32),
    )


@_norm.register_fake
def _(
    x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype
) -> Tuple[Tensor, Tensor]:
    return x.new_empty(x.shape, dtype=dtype), x.new_empty(x.shape[:-1])


def saved_shape(save: bool, u: Tensor, A: Tensor) -> Tuple[int, ...]:
    """Shape of the states that a scan keeps for its backward pass."""
    if save and u.device.type in FUSED_DEVICES:
        return kernels.states_shape(u, A)
    return (0,)


def _fake_gradients(num_extra: int) -> Callable:
    """Empty gradients of the tensors after the first `num_extra` arguments.

    The order, of integers, has none.
    """

    def fake(*args: Any) -> List[Tensor]:
        return [
            t.new_empty(t.shape)
            for t in args[num_extra:]
            if isinstance(t, Tensor) and t.is_floating_point()
        ]

    return fake


_conv_backward.register_fake(_fake_gradients(1))
_scan_backward.register_fake(_fake_gradients(2))
_inner_backward.register_fake(_fake_gradients(3))


@_norm_backward.register_fake
def _(grad: Tensor, x: Tensor, weight: Tensor, scale: Tensor) -> List[Tensor]:
    return [x.new_empty(x.shape), weight.new_empty(weight.shape)]


# Autograd.


def _save_conv(ctx: Any, inputs: tuple, output: Any) -> None:
    *tensors, ctx.activation = inputs
    ctx.save_for_backward(*tensors)


def _differentiate_conv(ctx: Any, grad: Tensor) -> tuple:
    *tensors, order = ctx.saved_tensors
    gradients = _conv_backward(grad, *tensors, order, ctx.activation)
    return (*_spread(gradients, *tensors), None, None)


def _save_scan(ctx: Any, inputs: tuple, output: Any) -> None:
    ctx.saved, *tensors, ctx.delta_softplus, order = inputs
    _keep(ctx, output, *tensors, order)


def _differentiate_scan(ctx: Any, grad: Optional[Tensor], *_: Any) -> tuple:
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    _require_saved(ctx)
    states, *tensors, order = ctx.saved_tensors
    gradients = _scan_backward(
        grad, states, *tensors, ctx.delta_softplus, order
    )
    return (None, *_spread(gradients, *tensors), None, None)


def _save_inner(ctx: Any, inputs: tuple, output: Any) -> None:
    ctx.saved, *tensors = inputs
    _keep(ctx, output, *tensors)


def _differentiate_inner(ctx: Any, grad: Optional[Tensor], *_: Any) -> tuple:
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    _require_saved(ctx)
    return (None, *_inner_backward(grad, *ctx.saved_tensors), None)


def _save_norm(ctx: Any, inputs: tuple, output: Any) -> None:
    x, weight, *_ = inputs
    _keep(ctx, output, x, weight)


def _differentiate_norm(ctx: Any, grad: Optional[Tensor], *_: Any) -> tuple:
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    scale, x, weight = ctx.saved_tensors
    return (*_norm_backward(grad, x, weight, scale), None, None)


def _keep(
    ctx: Any, output: Tuple[Tensor, ...], *tensors: Optional[Tensor]
) -> None:
    """Keep tensors, after what the operator returned beside its result."""
    _, *beside = output
    ctx.mark_non_differentiable(*beside)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*beside, *tensors)


def _require_saved(ctx: Any) -> None:
    if not ctx.saved:
        raise RuntimeError(
            'nothing was kept for a backward pass: the model was exported '
            'under torch.no_grad(); export it with gradients enabled'
        )


def _spread(gradients: List[Tensor], *inputs: Optional[Tensor]) -> list:
    """One entry per input: its gradient, or None where it is absent."""
    remaining = iter(gradients)
    return [None if t is None else next(remaining) for t in inputs]


def _refuse_second_derivative(ctx: Any, *grads: Any) -> None:
    raise RuntimeError(
        'second derivatives are not implemented by this scan backend; '
        "use backend='reference'"
    )


causal_conv1d.register_autograd(_differentiate_conv, setup_context=_save_conv)
_scan.register_autograd(_differentiate_scan, setup_context=_save_scan)
_inner.register_autograd(_differentiate_inner, setup_context=_save_inner)
_norm.register_autograd(_differentiate_norm, setup_context=_save_norm)
for _backward in (
    _conv_backward,
    _scan_backward,
    _inner_backward,
    _norm_backward,
):
    _backward.register_autograd(_refuse_second_derivative)


# FLOP formulas, for PyTorch's `FlopCounterMode`. A multiply-accumulate is two
# operations, as in PyTorch's own formulas. A scan is counted as Mamba's
# authors do: 9 multiply-accumulates per token, channel and state of each
# direction, one more per token and channel for the skip D and one for the
# gate z. A backward pass costs twice the forward pass: what a kernel computes
# again to save memory is not counted. Tensors come as their shapes.

_ours = torch.ops.mmvideomamba


@register_flop_formula(_ours.causal_conv1d)
def _conv_flops(
    x: Sequence[int], weight: Sequence[int], *args: Any, **kwargs: Any
) -> int:
    num_directions, _, width = weight
    return 2 * num_directions * width * math.prod(x)


@register_flop_formula(_ours.selective_scan)
def _scan_flops(
    save: bool, u: Sequence[int], *args: Any, **kwargs: Any
) -> int:
    _, A, _, _, D, z, *_ = args
    per_element = 9 * A[-1] + (D is not None) + (z is not None)
    return 2 * per_element * math.prod(u)


@register_flop_formula(_ours.mamba_inner)
def _inner_flops(
    save: bool, xz: Sequence[int], *args: Any, **kwargs: Any
) -> int:
    conv_weight, _, x_proj, dt_proj, _, A, D, *_ = args
    batch, length, _ = xz
    num_directions, num_projected, channels = x_proj
    x = batch, length, channels
    u = num_directions, *x
    products = 2 * math.prod(u) * (num_projected + dt_proj[-1])
    conv = _conv_flops(x, conv_weight)
    return conv + products + _scan_flops(save, u, u, A, u, u, D, x)


@register_flop_formula(_ours.causal_conv1d_backward)
def _conv_backward_flops(grad: Any, *inputs: Any, **kwargs: Any) -> int:
    return 2 * _conv_flops(*inputs)


@register_flop_formula(_ours.selective_scan_backward)
def _scan_backward_flops(
    grad: Any, states: Any, *inputs: Any, **kwargs: Any
) -> int:
    return 2 * _scan_flops(True, *inputs)


@register_flop_formula(_ours.mamba_inner_backward)
def _inner_backward_flops(
    grad: Any, projected: Any, states: Any, *inputs: Any, **kwargs: Any
) -> int:
    return 2 * _inner_flops(True, *inputs)
