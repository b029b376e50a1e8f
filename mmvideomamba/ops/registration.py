"""The operators as PyTorch sees them: `torch.ops.mmvideomamba.*`.

One operator, several engines. An engine with kernels of its own registers
them here (`register_kernels`) and calls `causal_conv1d` and `selective_scan`
below with its name; this file holds what all of them share: schemas, fake
kernels, autograd. So `torch.compile`, `torch.export` and FLOP counters see
`selective_scan(..., engine='cpu')` as one node, and a kernel sees raw tensors.

Autocast has no rule for these operators and casts nothing: data arrive in
float32, bfloat16 or float16, the parameters A, D, delta_bias, weight and bias
in float32. Each gradient has the shape and the dtype of its input.
"""

from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, library


class Kernels(NamedTuple):
    """What an engine brings; arguments as in `reference.py`, checked.

    conv_forward(x, weight, bias, order, silu) -> out
    conv_backward(grad, x, weight, bias, order, silu)
        -> gradients of (x, weight, bias)
    scan_forward(u, delta, A, B, C, D, z, delta_bias, delta_softplus, order,
                 save_states) -> (out, states)
    scan_backward(grad, states, u, delta, A, B, C, D, z, delta_bias,
                  delta_softplus, order)
        -> gradients of (u, delta, A, B, C, D, z, delta_bias)
    states_shape(u, A) -> shape of `states`, a float32 tensor that carries
        whatever the backward pass wants from the forward pass. It is empty,
        of shape (0,), where `save_states` is false.
    inner_forward(xz, conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D,
                  order, save) -> (out, projected, states)
    inner_backward(grad, projected, states, xz, conv_weight, conv_bias,
                   x_proj, dt_proj, dt_bias, A, D, order)
        -> gradients of (xz, conv_weight, conv_bias, x_proj, dt_proj, dt_bias,
                         A, D)
        `projected` is float32, (K, B, L, R + 2 N): dt, B and C. Both it and
        the states are empty where `save` is false. An engine whose
        `mamba_inner` is composed of the other two leaves these out.

    Results are contiguous. The gradient of an absent argument is None.
    """

    conv_forward: Callable
    conv_backward: Callable
    scan_forward: Callable
    scan_backward: Callable
    states_shape: Callable
    inner_forward: Optional[Callable] = None
    inner_backward: Optional[Callable] = None


_KERNELS: Dict[str, Kernels] = {}


def register_kernels(engine: str, kernels: Kernels) -> None:
    """Put `kernels` behind the operators' argument `engine`."""
    _KERNELS[engine] = kernels


def causal_conv1d(
    engine: str,
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
) -> Tensor:
    """See `mmvideomamba.ops.causal_conv1d`."""
    return _conv(x, weight, bias, order, activation == 'silu', engine)


def selective_scan(
    engine: str,
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
    inputs = (u, delta, A, B, C, D, z, delta_bias)
    save_states = _wants_gradient(*inputs)
    return _scan(*inputs, delta_softplus, order, engine, save_states)[0]


def mamba_inner(engine: str, *inputs: Optional[Tensor]) -> Tensor:
    """See `mmvideomamba.ops.mamba_inner`, for the inputs up to the order."""
    return _inner(*inputs, engine, _wants_gradient(*inputs))[0]


def _wants_gradient(*inputs: Optional[Tensor]) -> bool:
    return torch.is_grad_enabled() and any(
        t is not None and t.requires_grad for t in inputs
    )


@library.custom_op('mmvideomamba::causal_conv1d', mutates_args=())
def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    silu: bool,
    engine: str,
) -> Tensor:
    return _KERNELS[engine].conv_forward(x, weight, bias, order, silu)


@_conv.register_fake
def _(x, weight, bias, order, silu, engine):
    return x.new_empty(weight.shape[0], *x.shape)


@library.custom_op('mmvideomamba::causal_conv1d_backward', mutates_args=())
def _conv_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    silu: bool,
    engine: str,
) -> List[Tensor]:
    gradients = _KERNELS[engine].conv_backward(
        grad, x, weight, bias, order, silu
    )
    return [g for g in gradients if g is not None]


@_conv_backward.register_fake
def _(grad, x, weight, bias, order, silu, engine):
    return _empty_gradients(x, weight, bias)


@library.custom_op('mmvideomamba::selective_scan', mutates_args=())
def _scan(
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
    engine: str,
    save_states: bool,
) -> Tuple[Tensor, Tensor]:
    return _KERNELS[engine].scan_forward(
        u, delta, A, B, C, D, z, delta_bias, delta_softplus, order, save_states
    )


@_scan.register_fake
def _(
    u,
    delta,
    A,
    B,
    C,
    D,
    z,
    delta_bias,
    delta_softplus,
    order,
    engine,
    save_states,
):
    shape = _KERNELS[engine].states_shape(u, A) if save_states else (0,)
    states = u.new_empty(shape, dtype=torch.float32)
    return u.new_empty(u.shape[1:]), states


@library.custom_op('mmvideomamba::selective_scan_backward', mutates_args=())
def _scan_backward(
    grad: Tensor,
    states: Tensor,
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
    engine: str,
) -> List[Tensor]:
    gradients = _KERNELS[engine].scan_backward(
        grad,
        states,
        u,
        delta,
        A,
        B,
        C,
        D,
        z,
        delta_bias,
        delta_softplus,
        order,
    )
    return [g for g in gradients if g is not None]


@_scan_backward.register_fake
def _(
    grad,
    states,
    u,
    delta,
    A,
    B,
    C,
    D,
    z,
    delta_bias,
    delta_softplus,
    order,
    engine,
):
    return _empty_gradients(u, delta, A, B, C, D, z, delta_bias)


@library.custom_op('mmvideomamba::mamba_inner', mutates_args=())
def _inner(
    xz: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor,
    x_proj: Tensor,
    dt_proj: Tensor,
    dt_bias: Tensor,
    A: Tensor,
    D: Tensor,
    order: Optional[Tensor],
    engine: str,
    save: bool,
) -> Tuple[Tensor, Tensor, Tensor]:
    return _KERNELS[engine].inner_forward(
        xz, conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D, order, save
    )


@_inner.register_fake
def _(
    xz,
    conv_weight,
    conv_bias,
    x_proj,
    dt_proj,
    dt_bias,
    A,
    D,
    order,
    engine,
    save,
):
    batch, length, _ = xz.shape
    out = xz.new_empty(batch, length, A.shape[1])
    saved = [(0,), (0,)]
    if save:
        u = xz.new_empty(len(A), *out.shape)
        states_shape = _KERNELS[engine].states_shape(u, A)
        saved = [(len(A), batch, length, x_proj.shape[1]), states_shape]
    return (
        out,
        *(xz.new_empty(shape, dtype=torch.float32) for shape in saved),
    )


@library.custom_op('mmvideomamba::mamba_inner_backward', mutates_args=())
def _inner_backward(
    grad: Tensor,
    projected: Tensor,
    states: Tensor,
    xz: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor,
    x_proj: Tensor,
    dt_proj: Tensor,
    dt_bias: Tensor,
    A: Tensor,
    D: Tensor,
    order: Optional[Tensor],
    engine: str,
) -> List[Tensor]:
    inputs = (xz, conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D)
    return list(
        _KERNELS[engine].inner_backward(
            grad, projected, states, *inputs, order
        )
    )


@_inner_backward.register_fake
def _(grad, projected, states, *inputs):
    *inputs, order, engine = inputs
    return _empty_gradients(*inputs)


def _empty_gradients(*inputs: Optional[Tensor]) -> List[Tensor]:
    return [t.new_empty(t.shape) for t in inputs if t is not None]


def _save_conv(ctx, inputs, output) -> None:
    x, weight, bias, order, ctx.silu, ctx.engine = inputs
    ctx.save_for_backward(x, weight, bias, order)


def _differentiate_conv(ctx, grad):
    x, weight, bias, order = ctx.saved_tensors
    gradients = _conv_backward(
        grad, x, weight, bias, order, ctx.silu, ctx.engine
    )
    return (*_spread(gradients, x, weight, bias), None, None, None)


def _save_scan(ctx, inputs, output) -> None:
    *tensors, ctx.delta_softplus, order, ctx.engine, ctx.saved = inputs
    states = output[1]
    ctx.mark_non_differentiable(states)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(states, *tensors, order)


def _differentiate_scan(ctx, grad, _):
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    _require_saved(ctx)
    states, *tensors, order = ctx.saved_tensors
    gradients = _scan_backward(
        grad, states, *tensors, ctx.delta_softplus, order, ctx.engine
    )
    return (*_spread(gradients, *tensors), None, None, None, None)


def _save_inner(ctx, inputs, output) -> None:
    *tensors, order, ctx.engine, ctx.saved = inputs
    _, projected, states = output
    ctx.mark_non_differentiable(projected, states)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(projected, states, *tensors, order)


def _differentiate_inner(ctx, grad, *_):
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    _require_saved(ctx)
    gradients = _inner_backward(grad, *ctx.saved_tensors, ctx.engine)
    return (*gradients, None, None, None)


def _require_saved(ctx) -> None:
    if not ctx.saved:
        raise RuntimeError(
            'nothing was kept for a backward pass: the model was exported '
            'under torch.no_grad(); export it with gradients enabled'
        )


def _spread(gradients: List[Tensor], *inputs: Optional[Tensor]) -> list:
    """One entry per input: its gradient, or None where it is absent.

    An operator cannot return None, so the list leaves those out.
    """
    remaining = iter(gradients)
    return [None if t is None else next(remaining) for t in inputs]


def _refuse_second_derivative(ctx, *grads):
    raise RuntimeError(
        'second derivatives are not implemented by this scan backend; '
        "use backend='reference'"
    )


library.register_autograd(
    'mmvideomamba::causal_conv1d',
    _differentiate_conv,
    setup_context=_save_conv,
)
library.register_autograd(
    'mmvideomamba::selective_scan',
    _differentiate_scan,
    setup_context=_save_scan,
)
library.register_autograd(
    'mmvideomamba::mamba_inner',
    _differentiate_inner,
    setup_context=_save_inner,
)
for _name in ('causal_conv1d', 'selective_scan', 'mamba_inner'):
    library.register_autograd(
        f'mmvideomamba::{_name}_backward', _refuse_second_derivative
    )
