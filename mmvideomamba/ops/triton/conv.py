"""`causal_conv1d` on the GPU, in Triton.

    conv_kernel            tiles of (BLOCK_L steps, BLOCK_D channels); a step's
                           W taps are W gathers that the cache serves
    conv_gradient_kernel   along the scan order: the gradient of x from each
                           direction, and parts of the filter's gradient

Nothing is saved for the gradients: the convolution is computed once more.
"""

# Triton compiles the kernels: their arguments have no types of Python, and
# their tuples grow.
# mypy: disable-error-code="no-untyped-def, assignment"

from typing import List, Optional, Tuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from .options import (
    LAUNCH,
    given_or_token_order,
    require_arithmetic,
    require_int32_offsets,
)
from .scan_forward import SIZES, sigmoid

# Tiles of `conv_kernel`.
TILE = dict(BLOCK_L=16, BLOCK_D=64)
# Of `conv_gradient_kernel`: steps and channels of a program, and the steps
# whose loads are under way together.
STEPS, CHANNELS, GROUP = 128, 128, 4


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
) -> Tensor:
    """Run it; arguments as `registration.py` declares them."""
    out = x.new_empty(len(weight), *x.shape)
    run_forward(x, weight, bias, order, activation, out)
    return out


def run_forward(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
    out: Tensor,
) -> None:
    """Run the forward kernel; out is contiguous."""
    K, D, W = weight.shape
    batch, L, _ = x.shape
    x, weight, bias, order = _prepare(x, weight, bias, order)
    with torch.cuda.device_of(x):
        conv_kernel[_grid(K * batch, L, D, **TILE)](
            x,
            weight,
            bias,
            order,
            out,
            *x.stride()[:2],
            batch,
            L,
            D,
            W=W,
            SILU=activation == 'silu',
            **TILE,
            **LAUNCH,
        )


def causal_conv1d_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
) -> List[Tensor]:
    """Run it: gradients of x, weight and bias."""
    dx = torch.empty_like(x, memory_format=torch.contiguous_format)
    return run_backward(grad, x, weight, bias, order, activation, dx)


def run_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
    dx: Tensor,
) -> List[Tensor]:
    """Run the backward kernel; the gradient of x goes to dx."""
    K, D, W = weight.shape
    batch, L, _ = x.shape
    dtypes = weight.dtype, None if bias is None else bias.dtype
    x, weight, bias, order = _prepare(x, weight, bias, order)
    grad = grad.contiguous()
    parts = grad.new_empty(K, batch, L, D)
    segments = triton.cdiv(L, STEPS)
    sums = x.new_empty(K, batch, segments, W + 1, D, dtype=torch.float32)
    with torch.cuda.device_of(x):
        conv_gradient_kernel[_grid(K * batch, L, D, STEPS, CHANNELS)](
            grad,
            x,
            weight,
            bias,
            order,
            parts,
            sums,
            *x.stride()[:2],
            batch,
            L,
            D,
            W=W,
            SILU=activation == 'silu',
            STEPS=STEPS,
            GROUP=GROUP,
            BLOCK_D=CHANNELS,
            num_warps=1,
            **LAUNCH,
        )
    torch.sum(parts, 0, out=dx)
    dweight = sums[:, :, :, :W].sum((1, 2)).transpose(1, 2).to(dtypes[0])
    gradients = [dx, dweight.contiguous()]
    if bias is not None:
        gradients.append(sums[:, :, :, W].sum((1, 2)).to(dtypes[1]))
    return gradients


def _grid(
    clips: int, L: int, D: int, BLOCK_L: int, BLOCK_D: int
) -> Tuple[int, int]:
    """Tiles of all clips along one axis: the other two end at 65535."""
    return clips * triton.cdiv(L, BLOCK_L), triton.cdiv(D, BLOCK_D)


def _prepare(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
) -> Tuple[Tensor, Tensor, Optional[Tensor], Tensor]:
    """Channels innermost in x, taps outermost of a channel's weights."""
    if x.stride(-1) != 1:
        x = x.contiguous()
    require_arithmetic(x)
    require_int32_offsets(x.shape[1], max(x.stride(1), x.shape[2]))
    weight = weight.float().transpose(1, 2).contiguous()
    bias = None if bias is None else bias.float().contiguous()
    order = given_or_token_order(order, len(weight), x.shape[1], x.device)
    return x, weight, bias, order


@triton.jit
def tokens_at(order_ptr, steps, L):
    """The tokens that `steps` visit, int32; 0 where there is no such step."""
    inside = (steps >= 0) & (steps < L)
    return tl.load(order_ptr + steps, mask=inside, other=0).to(tl.int32)


@triton.jit
def load_weights(weight_ptr, k, d, D, W: tl.constexpr):
    """W rows of weights (BLOCK_D,)."""
    rows = ()
    for w in tl.static_range(W):
        place = (k * W + w) * D + d
        rows += (tl.load(weight_ptr + place, mask=d < D, other=0),)
    return rows


@triton.jit
def load_bias(bias_ptr, k, d, D, BLOCK_D: tl.constexpr):
    if bias_ptr is None:
        bias = tl.zeros([BLOCK_D], tl.float32)
    else:
        bias = tl.load(bias_ptr + k * D + d, mask=d < D, other=0)
    return bias


@triton.jit
def tile_at(L, D, BLOCK_L: tl.constexpr, BLOCK_D: tl.constexpr):
    """Clip, steps and channels of a program of `_grid`."""
    tiles = tl.cdiv(L, BLOCK_L)
    clip = (tl.program_id(0) // tiles).to(tl.int64)
    steps = (tl.program_id(0) % tiles) * BLOCK_L + tl.arange(0, BLOCK_L)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    return clip, steps, d


@triton.jit(do_not_specialize=SIZES)
def conv_kernel(
    x_ptr,
    weight_ptr,
    bias_ptr,
    order_ptr,
    out_ptr,
    stride_b,
    stride_l,
    batch,
    L,
    D,
    W: tl.constexpr,
    SILU: tl.constexpr,
    BLOCK_L: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """x (batch, L, D) by strides, weight (K, W, D), out (K, batch, L, D)."""
    kb, steps, d = tile_at(L, D, BLOCK_L, BLOCK_D)
    k = kb // batch
    x_ptr += kb % batch * stride_b
    out_ptr += kb * L * D
    order_ptr += k * L
    weights = load_weights(weight_ptr, k, d, D, W)
    out = load_bias(bias_ptr, k, d, D, BLOCK_D)[None]
    for w in tl.static_range(W):
        seen = steps + (w + 1 - W)
        place = tokens_at(order_ptr, seen, L)[:, None] * stride_l + d[None]
        inside = (seen >= 0) & (seen < L)
        mask = inside[:, None] & (d < D)[None]
        tap = tl.load(x_ptr + place, mask=mask, other=0).to(tl.float32)
        out += tap * weights[w][None]
    if SILU:
        out *= sigmoid(out)
    place = tokens_at(order_ptr, steps, L)[:, None] * D + d[None]
    tl.store(out_ptr + place, out, mask=(steps < L)[:, None] & (d < D)[None])


@triton.jit(do_not_specialize=SIZES)
def conv_gradient_kernel(
    grad_ptr,
    x_ptr,
    weight_ptr,
    bias_ptr,
    order_ptr,
    parts_ptr,
    sums_ptr,
    stride_b,
    stride_l,
    batch,
    L,
    D,
    W: tl.constexpr,
    SILU: tl.constexpr,
    STEPS: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """The gradients of STEPS steps.

    Writes parts (K, batch, L, D) in token order, of which the sum over K is
    the gradient of x; and sums (K, batch, L / STEPS, W + 1, D) float32 over
    its steps: of the W taps, then of the bias.

    A step is an input of itself and of the W - 1 steps after it: the loop
    goes on for as many, and takes only what the last steps get from them.
    """
    segments = tl.cdiv(L, STEPS)
    row = tl.program_id(0).to(tl.int64)
    kb = row // segments
    k = kb // batch
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    mask = d < D
    x_ptr += kb % batch * stride_b
    grad_ptr += kb * L * D
    parts_ptr += kb * L * D
    order_ptr += k * L
    weights = load_weights(weight_ptr, k, d, D, W)
    bias = load_bias(bias_ptr, k, d, D, BLOCK_D)
    start = tl.program_id(0) % segments * STEPS
    end = tl.minimum(start + STEPS, L)
    zero = tl.zeros([BLOCK_D], tl.float32)
    # Of the W - 1 steps before and, in the loop, the current one: tokens, x,
    # and the gradients of x so far. Then the sums.
    tokens, window, dxs, sums = (), (), (), (zero,)
    for w in tl.static_range(W):
        sums += (zero,)
        if w < W - 1:
            step = start - W + 1 + w
            token = tokens_at(order_ptr, step, L)
            place = token * stride_l + d
            x = tl.load(x_ptr + place, mask=mask & (step >= 0), other=0)
            tokens += (token,)
            window += (x.to(tl.float32),)
            dxs += (zero,)
    for first in range(start, end + W - 1, GROUP):
        group = ()
        for i in tl.static_range(GROUP):
            inside = mask & (first + i < L)
            token = tokens_at(order_ptr, first + i, L)
            x = tl.load(x_ptr + token * stride_l + d, mask=inside, other=0)
            grad = tl.load(grad_ptr + token * D + d, mask=inside, other=0)
            group += ((token, x, grad),)
        for i in tl.static_range(GROUP):
            token, x, grad = group[i]
            grad = grad.to(tl.float32)
            tokens += (token,)
            window += (x.to(tl.float32),)
            dxs += (zero,)
            if SILU:
                out = bias
                for w in tl.static_range(W):
                    out += window[w] * weights[w]
                gate = sigmoid(out)
                grad *= gate * (1 + out * (1 - gate))
            own = tl.where(first + i < end, grad, 0.0)
            added = ()
            dx = dxs[0] + grad * weights[0]
            tokens_after, window_after, dxs_after = (), (), ()
            for w in tl.static_range(W):
                added += (sums[w] + own * window[w],)
                if w > 0:
                    tokens_after += (tokens[w],)
                    window_after += (window[w],)
                    dxs_after += (dxs[w] + grad * weights[w],)
            sums = added + (sums[W] + own,)
            step = first + i - W + 1
            done = mask & (step >= start) & (step < end)
            tl.store(parts_ptr + tokens[0] * D + d, dx, mask=done)
            tokens, window, dxs = tokens_after, window_after, dxs_after
    for w in tl.static_range(W + 1):
        place = (row * (W + 1) + w) * D + d
        tl.store(sums_ptr + place, sums[w], mask=mask)
