"""The engine for CPUs: the C++ kernels as operators.

Arithmetic is float32; rows of tokens may be float32 or bfloat16, with any
strides. float16 is converted to float32 and back, and float64, which exists
for checking, goes to the reference.

Results are the same bit for bit from run to run with one number of threads
(`torch.set_num_threads`).
"""

from typing import Optional, Tuple

import torch
from torch import Tensor

from .. import reference, registration
from . import binding


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
    return registration.causal_conv1d(
        'cpu', x, weight, bias, order, activation
    )


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
    return registration.selective_scan('cpu', *inputs)


def mamba_inner(xz: Tensor, *others: Optional[Tensor]) -> Tensor:
    """See `mmvideomamba.ops.mamba_inner`."""
    if xz.dtype == torch.float64:
        return reference.mamba_inner(xz, *others)
    return registration.mamba_inner('cpu', xz, *others)


def why_not(device_type: str) -> Optional[str]:
    """Return what keeps this engine from running, None where it runs."""
    if device_type != 'cpu':
        return f'it runs on cpu tensors, not on {device_type}'
    loaded = binding.load()
    return loaded if isinstance(loaded, str) else None


def rms_norm(
    x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype
) -> Tuple[Tensor, Tensor]:
    """The norm of `norm.py` over the last axis, and the scale it took.

    Args:
        x (Tensor): (..., C) float32.
        weight (Tensor): (C,) float32.
        eps (float): Added to the mean square.
        dtype (torch.dtype): Of the result, float32 or bfloat16.

    Returns:
        tuple: The result and the scale (...), for backward.
    """
    rows = x.contiguous()
    out = torch.empty_like(rows, dtype=dtype)
    scale = x.new_empty(x.shape[:-1])
    binding.run('rms_norm', _norm_args(rows, weight, out, scale, eps=eps))
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
    binding.run('rms_norm_backward', args)
    return grad_x, grad_weight.sum(0)


def _norm_args(x, weight, out, scale, **others) -> binding.NormArgs:
    return binding.NormArgs(
        rows=scale.numel(),
        columns=len(weight),
        threads=torch.get_num_threads(),
        x=x,
        weight=weight.contiguous(),
        out=out.view(1, scale.numel(), len(weight)),
        scale=scale,
        **others,
    )


def _conv_forward(x, weight, bias, order, silu):
    rows = binding.readable(x)
    out = rows.new_empty(len(weight), *x.shape)
    args = _conv_args(rows, weight, bias, order, silu, out=out)
    binding.run('causal_conv1d', args)
    return out.to(x.dtype)


def _conv_backward(grad, x, weight, bias, order, silu):
    rows = binding.readable(x)
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
        out=binding.readable(grad),
        grad_x=grad_x,
        sum=_sum_memory(grad_x, K),
        grad_weight=grad_weight,
        grad_bias=grad_bias,
    )
    binding.run('causal_conv1d_backward', args)
    return (
        grad_x.to(x.dtype),
        _add_up(grad_weight, weight),
        _add_up(grad_bias, bias),
    )


def _conv_args(x, weight, bias, order, silu, **others) -> binding.ConvArgs:
    K, D, W = weight.shape
    batch, length, _ = x.shape
    return binding.ConvArgs(
        **dict(K=K, B=batch, L=length, D=D, W=W),
        silu=silu,
        **binding.threading(batch, D),
        order=None if order is None else order.contiguous(),
        x=x,
        weight=binding.parameter(weight),
        bias=binding.parameter(bias),
        **others,
    )


def _scan_forward(
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, order, save_states
):
    rows = binding.readable(u)
    out = rows.new_empty(u.shape[1:])
    shape = _states_shape(u, A) if save_states else (0,)
    states = u.new_empty(shape, dtype=torch.float32)
    args = _scan_args(
        A,
        D,
        z,
        delta_bias,
        delta_softplus,
        order,
        out,
        u=rows,
        delta=binding.readable(delta),
        b=binding.readable(B),
        c=binding.readable(C),
        states=states if save_states else None,
        sum=_sum_memory(out, len(u)),
    )
    binding.run('selective_scan', args)
    return out.to(u.dtype), states


def _scan_backward(
    grad, states, u, delta, A, B, C, D, z, delta_bias, delta_softplus, order
):
    K, batch, length, channels = u.shape
    N = A.shape[-1]

    def partials(*shape):
        return u.new_empty(shape, dtype=torch.float32)

    def like(t):
        return None if t is None else binding.readable(t).new_empty(t.shape)

    splits = binding.threading(batch, channels)['splits']
    grad_u, grad_delta, grad_z = like(u), like(delta), like(z)
    grad_A = partials(batch, K, channels, N)
    grad_B = partials(splits, K, batch, length, N)
    grad_C = torch.empty_like(grad_B)
    grad_D = None if D is None else partials(batch, K, channels)
    grad_bias = None if delta_bias is None else partials(batch, K, channels)
    args = _scan_args(
        A,
        D,
        z,
        delta_bias,
        delta_softplus,
        order,
        binding.readable(grad),
        u=binding.readable(u),
        delta=binding.readable(delta),
        b=binding.readable(B),
        c=binding.readable(C),
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
    binding.run('selective_scan_backward', args)
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
    A, D, z, delta_bias, delta_softplus, order, out, **others
) -> binding.ScanArgs:
    K, channels, N = A.shape
    batch, length, _ = out.shape
    return binding.ScanArgs(
        **dict(K=K, B=batch, L=length, D=channels, N=N),
        softplus=delta_softplus,
        **binding.threading(batch, channels),
        order=None if order is None else order.contiguous(),
        z=None if z is None else binding.readable(z),
        a=binding.parameter(A),
        skip=binding.parameter(D),
        delta_bias=binding.parameter(delta_bias),
        out=out,
        **others,
    )


def _inner_forward(
    xz, conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D, order, save
):
    x, z = binding.readable(xz).chunk(2, dim=-1)
    K, channels, _ = dt_proj.shape
    projected_shape, states_shape = (0,), (0,)
    if save:
        projected_shape = K, *x.shape[:2], x_proj.shape[1]
        states_shape = _states_shape(x.expand(K, *x.shape), A)
    out = x.new_empty(x.shape)
    projected = x.new_empty(projected_shape, dtype=torch.float32)
    states = x.new_empty(states_shape, dtype=torch.float32)
    args = binding.InnerArgs(
        conv=_conv_args(x, conv_weight, conv_bias, order, True),
        scan=_scan_args(
            A,
            D,
            z,
            dt_bias,
            True,
            order,
            out,
            states=states if save else None,
            sum=_sum_memory(out, K),
        ),
        rank=dt_proj.shape[2],
        x_proj=binding.parameter(x_proj),
        dt_proj=binding.parameter(dt_proj),
        projected=projected if save else None,
    )
    binding.run('mamba_inner', args)
    return out.to(xz.dtype), projected, states


def _inner_backward(
    grad,
    projected,
    states,
    xz,
    conv_weight,
    conv_bias,
    x_proj,
    dt_proj,
    dt_bias,
    A,
    D,
    order,
):
    rows = binding.readable(xz)
    x, z = rows.chunk(2, dim=-1)
    batch = len(x)
    K, channels, R = dt_proj.shape

    def partials(*shape):
        return x.new_empty(batch, *shape, dtype=torch.float32)

    grad_xz = torch.empty_like(rows, memory_format=torch.contiguous_format)
    grad_x, grad_z = grad_xz.chunk(2, dim=-1)
    grad_conv_weight = partials(*conv_weight.shape)
    grad_conv_bias = partials(*conv_bias.shape)
    grad_x_proj = partials(*x_proj.shape)
    grad_dt_proj = partials(K, R, channels)
    grad_dt_bias = partials(*dt_bias.shape)
    grad_A, grad_D = partials(*A.shape), partials(*D.shape)
    args = binding.InnerArgs(
        conv=_conv_args(
            x,
            conv_weight,
            conv_bias,
            order,
            True,
            grad_x=grad_x,
            sum=_sum_memory(grad_x, K),
            grad_weight=grad_conv_weight,
            grad_bias=grad_conv_bias,
        ),
        scan=_scan_args(
            A,
            D,
            z,
            dt_bias,
            True,
            order,
            binding.readable(grad),
            states=states,
            sum=_sum_memory(grad_z, K),
            grad_z=grad_z,
            grad_a=grad_A,
            grad_skip=grad_D,
            grad_delta_bias=grad_dt_bias,
        ),
        rank=R,
        x_proj=binding.parameter(x_proj),
        dt_proj=binding.parameter(dt_proj),
        projected=projected,
        grad_x_proj=grad_x_proj,
        grad_dt_proj=grad_dt_proj,
    )
    binding.run('mamba_inner_backward', args)
    return (
        grad_xz.to(xz.dtype),
        _add_up(grad_conv_weight, conv_weight),
        _add_up(grad_conv_bias, conv_bias),
        _add_up(grad_x_proj, x_proj),
        _add_up(grad_dt_proj, dt_proj).transpose(1, 2).contiguous(),
        _add_up(grad_dt_bias, dt_bias),
        _add_up(grad_A, A),
        _add_up(grad_D, D),
    )


def _states_shape(u: Tensor, A: Tensor) -> Tuple[int, ...]:
    """The state before each chunk but the first, by units of channels."""
    K, batch, length, channels = u.shape
    units = (channels + binding.UNIT - 1) // binding.UNIT
    return (
        K,
        batch,
        (length - 1) // binding.CHUNK,
        units,
        A.shape[-1],
        binding.UNIT,
    )


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


registration.register_kernels(
    'cpu',
    registration.Kernels(
        _conv_forward,
        _conv_backward,
        _scan_forward,
        _scan_backward,
        _states_shape,
        _inner_forward,
        _inner_backward,
    ),
)
