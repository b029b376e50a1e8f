"""`mamba_inner` on the GPU: products by PyTorch, the rest in Triton.

What the scan takes of a token and channel, u and delta, is kept for the
gradients. Those of x and z are written where that of xz has them; that of u
is added to by the product that comes after it.
"""

from typing import Any, List, Tuple

import torch
from torch import Tensor

from . import conv
from .delta import make_delta
from .launch import Scan


def mamba_inner(
    save: bool,
    xz: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor,
    x_proj: Tensor,
    dt_proj: Tensor,
    dt_bias: Tensor,
    *others: Any,
) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run it; arguments and results as `registration.py` declares them."""
    *_, order = others
    x, _ = xz.chunk(2, dim=-1)
    drives = x.new_empty(2, len(x_proj), *x.shape)
    u, delta = drives
    conv.run_forward(x, conv_weight, conv_bias, order, 'silu', u)
    projected = _product(u, x_proj.transpose(1, 2)).float()
    make_delta(projected, dt_proj, dt_bias, delta)
    with torch.cuda.device_of(xz):
        out, kept = _scan(xz, projected, drives, *others).forward(save)
    if not save:
        projected, drives = projected.new_empty(0), drives.new_empty(0)
    return out, projected, kept, drives


def mamba_inner_backward(
    grad: Tensor,
    projected: Tensor,
    kept: Tensor,
    drives: Tensor,
    xz: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor,
    x_proj: Tensor,
    dt_proj: Tensor,
    dt_bias: Tensor,
    *others: Any,
) -> List[Tensor]:
    """Run it; arguments and results as `registration.py` declares them."""
    A, D, order = others
    K, _, R = dt_proj.shape
    x, _ = xz.chunk(2, dim=-1)
    dxz = torch.empty_like(xz, memory_format=torch.contiguous_format)
    dx, dz = dxz.chunk(2, dim=-1)
    with torch.cuda.device_of(xz):
        scan = _scan(xz, projected, drives, *others)
        du, ddelta, dA, dB, dC, dD, _, dbias = scan.backward(grad, kept, dz)
    ddt = _product(ddelta, dt_proj)
    dprojected = torch.cat([ddt, dB.to(ddt), dC.to(ddt)], dim=-1)
    ddt_proj = _sum_over_tokens(ddelta, projected[..., :R].to(ddelta))
    dx_proj = _sum_over_tokens(dprojected, drives[0])
    du.flatten(1, 2).baddbmm_(dprojected.flatten(1, 2), x_proj.to(du.dtype))
    _, *dconv = conv.run_backward(
        du, x, conv_weight, conv_bias, order, 'silu', dx
    )
    gradients = [dxz, *dconv, dx_proj, ddt_proj, dbias, dA, dD]
    inputs = xz, conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D
    return [g.to(t.dtype).contiguous() for t, g in zip(inputs, gradients)]


def _scan(
    xz: Tensor,
    projected: Tensor,
    drives: Tensor,
    A: Tensor,
    D: Tensor,
    order: Any,
) -> Scan:
    _, z = xz.chunk(2, dim=-1)
    u, delta = drives
    return Scan(u, delta, A, projected, D, z, None, False, order, applied=True)


def _product(rows: Tensor, weights: Tensor) -> Tensor:
    """(K, B, L, C) times (K, C, E), in the dtype of the rows."""
    product = _bmm(rows.flatten(1, 2), weights.to(rows.dtype))
    return product.unflatten(1, rows.shape[1:3])


def _sum_over_tokens(left: Tensor, right: Tensor) -> Tensor:
    """(K, C, E) of (K, B, L, C) and (K, B, L, E), summed in float32.

    A product a clip: one for all would keep few multiprocessors busy, which
    the sum over the clips costs little to avoid.
    """
    clips = _bmm(left.flatten(0, 1).transpose(1, 2), right.flatten(0, 1))
    return clips.unflatten(0, left.shape[:2]).sum(1, dtype=torch.float32)


def _bmm(left: Tensor, right: Tensor) -> Tensor:
    """In their dtype: autocast leaves alone what is told where to write."""
    out = left.new_empty(*left.shape[:2], right.shape[2])
    return torch.bmm(left, right, out=out)
