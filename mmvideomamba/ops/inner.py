"""A mixer between its outer projections: the two operators in a row.

    c = SiLU(causal_conv(x))              [x, z] = xz
    [dt, B, C] = W_x c
    delta = softplus(W_dt dt + b_dt)
    out = SiLU(z) * sum_k selective_scan_k(c, delta, A, B, C, D)

`compose` makes it of any engine's operators; an engine that keeps c in its
caches has kernels of its own (`registration.Kernels.inner_forward`).
"""

from typing import Callable, Optional, Tuple

import torch
from torch import Tensor


def compose(causal_conv1d: Callable, selective_scan: Callable) -> Callable:
    """Build `mamba_inner` of an engine from its two operators."""

    def mamba_inner(
        xz: Tensor,
        conv_weight: Tensor,
        conv_bias: Tensor,
        x_proj: Tensor,
        dt_proj: Tensor,
        dt_bias: Tensor,
        A: Tensor,
        D: Tensor,
        order: Optional[Tensor],
    ) -> Tensor:
        """See `mmvideomamba.ops.mamba_inner`."""
        x, z = xz.chunk(2, dim=-1)
        u = causal_conv1d(x, conv_weight, conv_bias, order, 'silu')
        delta, B, C = scan_inputs(u, x_proj, dt_proj)
        return selective_scan(u, delta, A, B, C, D, z, dt_bias, True, order)

    return mamba_inner


def scan_inputs(
    u: Tensor, x_proj: Tensor, dt_proj: Tensor
) -> Tuple[Tensor, Tensor, Tensor]:
    """Project each direction's tokens to what steers its scan.

    The products are taken in the dtype of `u`.

    Args:
        u (Tensor): (K, B, L, D), convolved.
        x_proj (Tensor): (K, R + 2 N, D), to dt, B and C.
        dt_proj (Tensor): (K, D, R), from dt to delta.

    Returns:
        tuple: delta (K, B, L, D) before bias and softplus, and B and C, both
        (K, B, L, N).
    """
    R = dt_proj.shape[2]
    N = (x_proj.shape[1] - R) // 2
    projected = torch.bmm(u.flatten(1, 2), x_proj.to(u.dtype).transpose(1, 2))
    dt, B, C = projected.split([R, N, N], dim=-1)
    delta = torch.bmm(dt, dt_proj.to(dt.dtype).transpose(1, 2))
    return tuple(t.unflatten(1, u.shape[1:3]) for t in (delta, B, C))
