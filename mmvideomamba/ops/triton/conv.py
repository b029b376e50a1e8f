"""`causal_conv1d` on the GPU, in Triton.

    conv_kernel            tiles of (BLOCK_L steps, BLOCK_D channels); a step's
                           W taps are W gathers that the cache serves
    conv_gradient_kernel   along the scan order: the gradient before the
                           activation, and what the filter's gradient sums
    conv_gather_kernel     the gradient of x: per token, the W steps of each
                           direction that saw it

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

from .options import LAUNCH, require_arithmetic, require_int32_offsets
from .scan_forward import SIZES, move_to, sigmoid

# Tiles of `conv_kernel`, and of `conv_gather_kernel`: there it takes longer
# to find a token than to add up a channel.
TILE = dict(BLOCK_L=16, BLOCK_D=64)
GATHER_TILE = dict(BLOCK_L=16, BLOCK_D=128)
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
    """Run the backward kernels, with dx where its channels are contiguous."""
    K, D, W = weight.shape
    batch, L, _ = x.shape
    dtypes = weight.dtype, None if bias is None else bias.dtype
    x, weight, bias, order = _prepare(x, weight, bias, order)
    grad = grad.contiguous()
    inverse = None
    if order is not None:
        steps = torch.arange(L, device=order.device).expand(K, L)
        inverse = torch.empty_like(order).scatter_(1, order, steps)
    # Without an activation it is what came in.
    before = grad
    if activation == 'silu':
        before = torch.empty_like(grad, dtype=torch.float32)
    segments = triton.cdiv(L, STEPS)
    sums = x.new_empty(K, batch, segments, W + 1, D, dtype=torch.float32)
    with torch.cuda.device_of(x):
        conv_gradient_kernel[K * batch, triton.cdiv(D, CHANNELS), segments](
            grad,
            x,
            weight,
            bias,
            order,
            before,
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
        conv_gather_kernel[_grid(batch, L, D, **GATHER_TILE)](
            before,
            weight,
            order,
            inverse,
            dx,
            *dx.stride()[:2],
            batch,
            L,
            D,
            K=K,
            W=W,
            **GATHER_TILE,
            **LAUNCH,
        )
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
) -> Tuple[Tensor, Tensor, Optional[Tensor], Optional[Tensor]]:
    """Channels innermost in x, taps outermost of a channel's weights."""
    if x.stride(-1) != 1:
        x = x.contiguous()
    require_arithmetic(x)
    require_int32_offsets(x.shape[1], max(x.stride(1), x.shape[2]))
    weight = weight.float().transpose(1, 2).contiguous()
    bias = None if bias is None else bias.float().contiguous()
    return x, weight, bias, None if order is None else order.contiguous()


@triton.jit
def tokens_at(order_ptr, steps, L):
    """The tokens that `steps` visit, int32; 0 where there is no such step."""
    inside = (steps >= 0) & (steps < L)
    if order_ptr is None:
        token = tl.where(inside, steps, 0)
    else:
        token = tl.load(order_ptr + steps, mask=inside, other=0).to(tl.int32)
    return token


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
    x_ptr = move_to(x_ptr, kb % batch * stride_b)
    out_ptr = move_to(out_ptr, kb * L * D)
    order_ptr = move_to(order_ptr, k * L)
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


@triton.jit(do_not_specialize=[*SIZES, 'stride_b'])
def conv_gradient_kernel(
    grad_ptr,
    x_ptr,
    weight_ptr,
    bias_ptr,
    order_ptr,
    before_ptr,
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
    """The gradient before the activation, and sums over STEPS steps.

    Writes before (K, batch, L, D) in token order, where there is an
    activation, and sums (K, batch, L / STEPS, W + 1, D) float32: of the W
    taps, then of the bias.
    """
    kb = tl.program_id(0).to(tl.int64)
    k = kb // batch
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    mask = d < D
    x_ptr = move_to(x_ptr, kb % batch * stride_b)
    grad_ptr = move_to(grad_ptr, kb * L * D)
    before_ptr = move_to(before_ptr, kb * L * D)
    order_ptr = move_to(order_ptr, k * L)
    weights = load_weights(weight_ptr, k, d, D, W)
    bias = load_bias(bias_ptr, k, d, D, BLOCK_D)
    start = tl.program_id(2) * STEPS
    # What the steps before see: x of W steps, the current one last.
    window = (tl.zeros([BLOCK_D], tl.float32),)
    sums = (tl.zeros([BLOCK_D], tl.float32),)
    for w in tl.static_range(W):
        step = start - W + 1 + w
        if w < W - 1:
            place = tokens_at(order_ptr, step, L) * stride_l + d
            x = tl.load(x_ptr + place, mask=mask & (step >= 0), other=0)
            window += (x.to(tl.float32),)
        sums += (tl.zeros([BLOCK_D], tl.float32),)
    for first in range(start, tl.minimum(start + STEPS, L), GROUP):
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
            moved = ()
            for w in tl.static_range(1, W):
                moved += (window[w],)
            window = moved + (x.to(tl.float32),)
            if SILU:
                out = bias
                for w in tl.static_range(W):
                    out += window[w] * weights[w]
                gate = sigmoid(out)
                grad *= gate * (1 + out * (1 - gate))
                inside = mask & (first + i < L)
                tl.store(before_ptr + token * D + d, grad, mask=inside)
            added = ()
            for w in tl.static_range(W):
                added += (sums[w] + grad * window[w],)
            sums = added + (sums[W] + grad,)
    row = kb * tl.num_programs(2) + tl.program_id(2)
    for w in tl.static_range(W + 1):
        place = (row * (W + 1) + w) * D + d
        tl.store(sums_ptr + place, sums[w], mask=mask)


@triton.jit(do_not_specialize=SIZES)
def conv_gather_kernel(
    before_ptr,
    weight_ptr,
    order_ptr,
    inverse_ptr,
    dx_ptr,
    stride_b,
    stride_l,
    batch,
    L,
    D,
    K: tl.constexpr,
    W: tl.constexpr,
    BLOCK_L: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """dx (batch, L, D) by strides, from what `conv_gradient_kernel` has left.

    inverse (K, L) holds the step that visits each token.
    """
    b, token, d = tile_at(L, D, BLOCK_L, BLOCK_D)
    dx = tl.zeros([BLOCK_L, BLOCK_D], tl.float32)
    for k in tl.static_range(K):
        weights = load_weights(weight_ptr, k, d, D, W)
        visit = tokens_at(move_to(inverse_ptr, k * L), token, L)
        # No visit for a masked token: past the end, where all is zero.
        visit = tl.where(token < L, visit, L)
        clip_ptr = move_to(before_ptr, (k * batch + b) * L * D)
        for later in tl.static_range(W):
            step = visit + later
            seen = tokens_at(move_to(order_ptr, k * L), step, L)
            place = clip_ptr + seen[:, None] * D + d[None]
            mask = (step < L)[:, None] & (d < D)[None]
            before = tl.load(place, mask=mask, other=0).to(tl.float32)
            dx += before * weights[W - 1 - later][None]
    place = dx_ptr + b * stride_b + token[:, None] * stride_l + d[None]
    tl.store(place, dx, mask=(token < L)[:, None] & (d < D)[None])
