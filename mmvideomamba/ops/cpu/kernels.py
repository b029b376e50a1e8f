"""The operators on CPU tensors: allocate, fill a struct, call the C++ kernel.

Arguments and results as `registration.py` declares them.
"""

from typing import Any, List, Optional, Tuple

import torch
from torch import Tensor

from . import binding
from .binding import MaybeTensor, parameter, readable, threading


def causal_conv1d(x: Tensor, weight: Tensor, *others: Any) -> Tensor:
    rows = readable(x)
    out = rows.new_empty(len(weight), *x.shape)
    args = _conv_args(rows, weight, *others, out=out)
    binding.run('causal_conv1d', args)
    return out.to(x.dtype)


def causal_conv1d_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    *others: Any,
) -> List[Tensor]:
    rows = readable(x)
    K, D, W = weight.shape
    grad_x = torch.empty_like(rows, memory_format=torch.contiguous_format)
    grad_weight = rows.new_empty(len(x), K, D, W, dtype=torch.float32)
    grad_bias = None if bias is None else torch.empty_like(grad_weight[..., 0])
    args = _conv_args(
        rows,
        weight,
        bias,
        *others,
        out=readable(grad),
        grad_x=grad_x,
        sum=_sum_memory(grad_x, K),
        grad_weight=grad_weight,
        grad_bias=grad_bias,
    )
    binding.run('causal_conv1d_backward', args)
    return _present(
        grad_x.to(x.dtype),
        _add_up(grad_weight, weight),
        _add_up(grad_bias, bias),
    )


def _conv_args(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
    **others: Optional[Tensor],
) -> binding.ConvArgs:
    K, D, W = weight.shape
    batch, length, _ = x.shape
    return binding.ConvArgs(
        **dict(K=K, B=batch, L=length, D=D, W=W),
        silu=activation == 'silu',
        **threading(batch, D),
        order=None if order is None else order.contiguous(),
        x=x,
        weight=parameter(weight),
        bias=parameter(bias),
        **others,
    )


def selective_scan(save: bool, *inputs: Any) -> Tuple[Tensor, Tensor]:
    u, _, A, *_ = inputs
    out = readable(u).new_empty(u.shape[1:])
    shape = states_shape(*u.shape, A.shape[-1]) if save else (0,)
    states = u.new_empty(shape, dtype=torch.float32)
    args = _scan_args(
        *inputs,
        out=out,
        states=states if save else None,
        sum=_sum_memory(out, len(u)),
    )
    binding.run('selective_scan', args)
    return out.to(u.dtype), states


def selective_scan_backward(
    grad: Tensor, states: Tensor, *inputs: Any
) -> List[Tensor]:
    u, delta, A, B, C, D, z, delta_bias, *_ = inputs
    K, batch, length, channels = u.shape
    N = A.shape[-1]

    def partials(*shape: int) -> Tensor:
        return u.new_empty(shape, dtype=torch.float32)

    def like(t: MaybeTensor) -> MaybeTensor:
        return t if t is None else readable(t).new_empty(t.shape)

    splits = threading(batch, channels)['splits']
    grad_u, grad_delta, grad_z = like(u), like(delta), like(z)
    grad_A = partials(batch, K, channels, N)
    grad_B = partials(splits, K, batch, length, N)
    grad_C = torch.empty_like(grad_B)
    grad_D = None if D is None else partials(batch, K, channels)
    grad_bias = None if delta_bias is None else partials(batch, K, channels)
    args = _scan_args(
        *inputs,
        out=readable(grad),
        states=states,
        sum=None if grad_z is None else _sum_memory(grad_z, K),
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
    return _present(
        grad_u.to(u.dtype),
        grad_delta.to(delta.dtype),
        _add_up(grad_A, A),
        _add_up(grad_B, B),
        _add_up(grad_C, C),
        _add_up(grad_D, D),
        None if grad_z is None else grad_z.to(z.dtype),
        _add_up(grad_bias, delta_bias),
    )


def _scan_args(
    u: Optional[Tensor],
    delta: Optional[Tensor],
    A: Tensor,
    B: Optional[Tensor],
    C: Optional[Tensor],
    D: Optional[Tensor],
    z: Optional[Tensor],
    delta_bias: Optional[Tensor],
    delta_softplus: bool,
    order: Optional[Tensor],
    *,
    out: Tensor,
    **others: Optional[Tensor],
) -> binding.ScanArgs:
    """`mamba_inner` makes u, delta, B and C itself: there they are None."""
    K, channels, N = A.shape
    batch, length, _ = out.shape
    return binding.ScanArgs(
        **dict(K=K, B=batch, L=length, D=channels, N=N),
        softplus=delta_softplus,
        **threading(batch, channels),
        order=None if order is None else order.contiguous(),
        u=readable(u),
        delta=readable(delta),
        b=readable(B),
        c=readable(C),
        z=readable(z),
        a=parameter(A),
        skip=parameter(D),
        delta_bias=parameter(delta_bias),
        out=out,
        **others,
    )


def mamba_inner(
    save: bool, *inputs: Any
) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    xz, conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D, order = inputs
    x, z = readable(xz).chunk(2, dim=-1)
    K = len(A)
    projected_shape: Tuple[int, ...] = (0,)
    scan_shape: Tuple[int, ...] = (0,)
    if save:
        projected_shape = K, *x.shape[:2], x_proj.shape[1]
        scan_shape = states_shape(K, *x.shape, A.shape[-1])
    out = x.new_empty(x.shape)
    projected = x.new_empty(projected_shape, dtype=torch.float32)
    states = x.new_empty(scan_shape, dtype=torch.float32)
    args = binding.InnerArgs(
        conv=_conv_args(x, conv_weight, conv_bias, order, 'silu'),
        scan=_scan_args(
            *(None, None, A, None, None, D, z, dt_bias, True, order),
            out=out,
            states=states if save else None,
            sum=_sum_memory(out, K),
        ),
        rank=dt_proj.shape[2],
        x_proj=parameter(x_proj),
        dt_proj=parameter(dt_proj),
        projected=projected if save else None,
    )
    binding.run('mamba_inner', args)
    # u and delta are made anew.
    return out.to(xz.dtype), projected, states, states.new_empty(0)


def mamba_inner_backward(
    grad: Tensor,
    projected: Tensor,
    states: Tensor,
    drives: Tensor,
    *inputs: Any,
) -> List[Tensor]:
    xz, conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D, order = inputs
    rows = readable(xz)
    x, z = rows.chunk(2, dim=-1)
    batch = len(x)
    K, channels, R = dt_proj.shape

    def partials(*shape: int) -> Tensor:
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
            'silu',
            grad_x=grad_x,
            sum=_sum_memory(grad_x, K),
            grad_weight=grad_conv_weight,
            grad_bias=grad_conv_bias,
        ),
        scan=_scan_args(
            *(None, None, A, None, None, D, z, dt_bias, True, order),
            out=readable(grad),
            states=states,
            sum=_sum_memory(grad_z, K),
            grad_z=grad_z,
            grad_a=grad_A,
            grad_skip=grad_D,
            grad_delta_bias=grad_dt_bias,
        ),
        rank=R,
        x_proj=parameter(x_proj),
        dt_proj=parameter(dt_proj),
        projected=projected,
        grad_x_proj=grad_x_proj,
        grad_dt_proj=grad_dt_proj,
    )
    binding.run('mamba_inner_backward', args)
    return [
        grad_xz.to(xz.dtype),
        _add_up(grad_conv_weight, conv_weight),
        _add_up(grad_conv_bias, conv_bias),
        _add_up(grad_x_proj, x_proj),
        _add_up(grad_dt_proj, dt_proj).transpose(1, 2).contiguous(),
        _add_up(grad_dt_bias, dt_bias),
        _add_up(grad_A, A),
        _add_up(grad_D, D),
    ]


def rms_norm(
    x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype
) -> Tuple[Tensor, Tensor]:
    rows = x.contiguous()
    narrow = dtype == torch.bfloat16
    out = torch.empty_like(rows, dtype=dtype if narrow else None)
    scale = x.new_empty(x.shape[:-1])
    binding.run('rms_norm', _norm_args(rows, weight, out, scale, eps=eps))
    return out.to(dtype), scale


def rms_norm_backward(
    grad: Tensor, x: Tensor, weight: Tensor, scale: Tensor
) -> List[Tensor]:
    rows = x.contiguous()
    grad_x = torch.empty_like(rows)
    grad_weight = x.new_empty(torch.get_num_threads(), len(weight))
    args = _norm_args(
        rows,
        weight,
        readable(grad.contiguous()),
        scale,
        grad_x=grad_x,
        grad_weight=grad_weight,
    )
    binding.run('rms_norm_backward', args)
    return [grad_x, grad_weight.sum(0)]


def _norm_args(
    x: Tensor, weight: Tensor, out: Tensor, scale: Tensor, **others: Any
) -> binding.NormArgs:
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


def states_shape(*sizes: int) -> Tuple[int, ...]:
    """The state before each chunk but the first, by units of channels.

    Args:
        *sizes (int): K, B, L, D, N of the scan.
    """
    K, batch, length, channels, d_state = sizes
    chunks = (length - 1) // binding.CHUNK
    units = (channels + binding.UNIT - 1) // binding.UNIT
    return K, batch, chunks, units, d_state, binding.UNIT


def _sum_memory(result: Tensor, num_directions: int) -> Optional[Tensor]:
    """Where the directions' float32 sum waits for the last of them."""
    if result.dtype == torch.float32:
        return result
    if num_directions == 1:
        return None
    return torch.empty_like(result, dtype=torch.float32)


def _add_up(partials: MaybeTensor, like: MaybeTensor) -> MaybeTensor:
    """Sum over the first axis, in the dtype of `like`."""
    if partials is None or like is None:
        return partials
    total = partials[0] if len(partials) == 1 else partials.sum(0)
    return total.to(like.dtype)


def _present(*gradients: Optional[Tensor]) -> List[Tensor]:
    return [g for g in gradients if g is not None]
