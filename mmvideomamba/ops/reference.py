"""The definition of the sequence operators, in plain PyTorch.

The other backends must agree with this file, outputs and gradients. It is
differentiable by autograd, any number of times, runs on any device and in
float64, and is the fallback where no fast backend runs.

Glossary, with the symbols of the paper (equations 1 to 3) and of Mamba:

    B   batch size               L   tokens in the sequence
    K   scan directions          D   channels of the inner model, d_inner
    N   state size, d_state      W   width of the convolution, d_conv
    u       input x(t)           delta   step size, one per token and channel
    A, B, C state matrices; A is diagonal, B and C depend on the token
    order   order[k, t] is the token that step t of direction k visits

Tokens never move: inputs and outputs are in token order; a direction gathers
its tokens, runs along time and puts the results back in place.
"""

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
) -> Tensor:
    """See `mmvideomamba.ops.causal_conv1d`."""
    num_directions, _, width = weight.shape
    length = x.shape[1]
    dtype = torch.promote_types(x.dtype, torch.float32)
    weight = weight.to(dtype)

    steps = x.to(dtype).expand(num_directions, *x.shape)
    steps = F.pad(to_scan_order(steps, order), (0, 0, width - 1, 0))
    out = torch.zeros_like(steps[:, :, :length])
    for w in range(width):
        out = out + steps[:, :, w : w + length] * weight[:, None, None, :, w]
    if bias is not None:
        out = out + bias.to(dtype)[:, None, None]
    if activation == 'silu':
        out = F.silu(out)
    return to_token_order(out, order).to(x.dtype)


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
    in_dtype = u.dtype
    dtype = torch.promote_types(in_dtype, torch.float32)

    delta = delta.to(dtype)
    if delta_bias is not None:
        delta = delta + delta_bias.to(dtype)[:, None, None]
    if delta_softplus:
        delta = F.softplus(delta)
    u, delta, B, C = (
        to_scan_order(t.to(dtype), order) for t in (u, delta, B, C)
    )

    # Equation 2 as Mamba discretises it: zero-order hold for A, the first
    # term of its series for B. Both (K, B, L, D, N).
    decay = torch.exp(delta.unsqueeze(-1) * A.to(dtype)[:, None, None])
    drive = (delta * u).unsqueeze(-1) * B.unsqueeze(-2)

    # Equation 3. `unbind`, not indexing: the backward of `decay[:, :, t]`
    # would allocate the whole tensor at every step, O(L^2).
    state = drive.new_zeros(drive[:, :, 0].shape)
    outputs = []
    # Autocast would take the product of state and C in half precision.
    with torch.autocast(u.device.type, enabled=False):
        for decay_t, drive_t, C_t in zip(
            decay.unbind(2), drive.unbind(2), C.unbind(2)
        ):
            state = decay_t * state + drive_t
            outputs.append((state @ C_t.unsqueeze(-1)).squeeze(-1))
    y = torch.stack(outputs, dim=2)

    if D is not None:
        y = y + D.to(dtype)[:, None, None] * u
    y = to_token_order(y, order).sum(dim=0)
    if z is not None:
        y = y * F.silu(z.to(dtype))
    return y.to(in_dtype)


def to_scan_order(x: Tensor, order: Optional[Tensor]) -> Tensor:
    """(K, B, L, C) in token order -> the same in scan order."""
    if order is None:
        return x
    return x.gather(2, order[:, None, :, None].expand_as(x))


def to_token_order(x: Tensor, order: Optional[Tensor]) -> Tensor:
    """The inverse of `to_scan_order`."""
    return to_scan_order(x, None if order is None else order.argsort(-1))


def why_not(device_type: str) -> Optional[str]:
    """Return None: the reference runs everywhere."""
    return None
