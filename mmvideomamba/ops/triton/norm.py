"""`rms_norm` on the GPU, in Triton: a warp a token, all channels at once.

    norm_kernel            out, and 1 / sqrt(mean(x^2) + eps) of each token
    norm_gradient_kernel   the gradient of x, and what that of weight sums

x is float32; out and its gradient may be of 16 bits.
"""

# Triton compiles the kernels: their arguments have no types of Python.
# mypy: disable-error-code="no-untyped-def"

from typing import List, Tuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from .options import LAUNCH

# Tokens of a program of `norm_gradient_kernel`.
TOKENS = 64


def rms_norm(
    x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype
) -> Tuple[Tensor, Tensor]:
    """Run the forward kernel; arguments as `registration.py` declares them."""
    x = x.contiguous()
    out = torch.empty_like(x, dtype=dtype)
    scale = x.new_empty(x.shape[:-1])
    with torch.cuda.device_of(x):
        norm_kernel[(scale.numel(),)](
            x,
            weight.contiguous(),
            out,
            scale,
            eps,
            len(weight),
            **_options(weight),
        )
    return out, scale


def rms_norm_backward(
    grad: Tensor, x: Tensor, weight: Tensor, scale: Tensor
) -> List[Tensor]:
    """Run the backward kernel: gradients of x and weight."""
    tokens = scale.numel()
    programs = triton.cdiv(tokens, TOKENS)
    dx = torch.empty_like(x, memory_format=torch.contiguous_format)
    sums = x.new_empty(programs, len(weight))
    with torch.cuda.device_of(x):
        norm_gradient_kernel[(programs,)](
            grad.contiguous(),
            x.contiguous(),
            weight.contiguous(),
            scale,
            dx,
            sums,
            tokens,
            len(weight),
            TOKENS=TOKENS,
            **_options(weight),
        )
    return [dx, sums.sum(0)]


def _options(weight: Tensor) -> dict:
    block = triton.next_power_of_2(len(weight))
    return dict(BLOCK_C=block, num_warps=1, **LAUNCH)


@triton.jit(do_not_specialize=['eps'])
def norm_kernel(
    x_ptr, weight_ptr, out_ptr, scale_ptr, eps, C, BLOCK_C: tl.constexpr
):
    """A program a token; x and out (tokens, C), scale (tokens,)."""
    token = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK_C)
    mask = c < C
    x = tl.load(x_ptr + token * C + c, mask=mask, other=0)
    weight = tl.load(weight_ptr + c, mask=mask, other=0)
    scale = tl.rsqrt(tl.sum(x * x, 0) / C + eps)
    tl.store(out_ptr + token * C + c, x * scale * weight, mask=mask)
    tl.store(scale_ptr + token, scale)


@triton.jit(do_not_specialize=['tokens'])
def norm_gradient_kernel(
    grad_ptr,
    x_ptr,
    weight_ptr,
    scale_ptr,
    dx_ptr,
    sums_ptr,
    tokens,
    C,
    TOKENS: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """TOKENS tokens, with sums (programs, C) for the gradient of weight.

    With y = x * scale:

        dx = scale * (grad * weight - y * mean(grad * weight * y))
    """
    program = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK_C)
    mask = c < C
    weight = tl.load(weight_ptr + c, mask=mask, other=0)
    sums = tl.zeros([BLOCK_C], tl.float32)
    start = program * TOKENS
    for token in range(start, tl.minimum(start + TOKENS, tokens)):
        place = token * C + c
        x = tl.load(x_ptr + place, mask=mask, other=0)
        grad = tl.load(grad_ptr + place, mask=mask, other=0).to(tl.float32)
        scale = tl.load(scale_ptr + token)
        y = x * scale
        sums += grad * y
        grad *= weight
        mean = tl.sum(grad * y, 0) / C
        tl.store(dx_ptr + place, scale * (grad - y * mean), mask=mask)
    tl.store(sums_ptr + program * C + c, sums, mask=mask)
