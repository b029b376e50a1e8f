"""delta = softplus(W_dt dt + b_dt) on the GPU, in Triton.

A product over so few numbers, `dt_rank`, needs no matrix units. Its tiles end
in softplus, which the scans would take four times, on lanes that hold copies.
"""

# Triton compiles the kernels: their arguments have no types of Python.
# mypy: disable-error-code="no-untyped-def"

import torch
import triton
import triton.language as tl
from torch import Tensor

from .options import LAUNCH
from .scan_forward import softplus

BLOCKS = dict(BLOCK_L=64, BLOCK_D=64)


def make_delta(
    projected: Tensor, weight: Tensor, bias: Tensor, delta: Tensor
) -> None:
    """Write delta.

    Args:
        projected (Tensor): (K, B, L, P) float32, contiguous; dt are the first
            R of P.
        weight (Tensor): (K, D, R).
        bias (Tensor): (K, D).
        delta (Tensor): (K, B, L, D), contiguous.
    """
    K, D, R = weight.shape
    tokens = projected[0, ..., 0].numel()
    tiles = triton.cdiv(tokens, BLOCKS['BLOCK_L'])
    with torch.cuda.device_of(delta):
        delta_kernel[K * tiles, triton.cdiv(D, BLOCKS['BLOCK_D'])](
            projected,
            weight.float().transpose(1, 2).contiguous(),
            bias.float().contiguous(),
            delta,
            tokens,
            D,
            projected.shape[3],
            R=R,
            **BLOCKS,
            **LAUNCH,
        )


@triton.jit(do_not_specialize=['tokens'])
def delta_kernel(
    projected_ptr,
    weight_ptr,
    bias_ptr,
    delta_ptr,
    tokens,
    D,
    P,
    R: tl.constexpr,
    BLOCK_L: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """projected (K, tokens, P), weight (K, R, D), delta (K, tokens, D)."""
    tiles = tl.cdiv(tokens, BLOCK_L)
    k = tl.program_id(0) // tiles
    first = tl.program_id(0) % tiles * BLOCK_L
    row = k.to(tl.int64) * tokens + first
    token = tl.arange(0, BLOCK_L)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    inside = first + token < tokens
    projected_ptr += row * P
    weight_ptr += k * R * D
    x = tl.load(bias_ptr + k * D + d, mask=d < D, other=0)[None]
    for r in tl.static_range(R):
        dt = tl.load(projected_ptr + token * P + r, mask=inside, other=0)
        weight = tl.load(weight_ptr + r * D + d, mask=d < D, other=0)
        x += dt[:, None] * weight[None]
    delta, _ = softplus(x)
    place = delta_ptr + row * D + token[:, None] * D + d[None]
    tl.store(place, delta, mask=inside[:, None] & (d < D)[None])
