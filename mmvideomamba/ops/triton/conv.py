"""`causal_conv1d` on the GPU, in Triton.

Tiles of (BLOCK_L steps, BLOCK_D channels). A step's W taps are W gathers of
the same rows, which the cache serves. Nothing is saved for the gradients: a
tile computes the convolution's outputs it needs again.
"""

# Triton compiles the kernels: their arguments have no types of Python, and
# their tuples grow.
# mypy: disable-error-code="no-untyped-def, assignment"

from typing import List, Optional, Tuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from .scan_forward import SIZES, load_or_zero, sigmoid

BLOCK_L, BLOCK_D = 16, 64
# Tiles that one program sums before it writes its part of dweight.
TILES_PER_SUM = 32


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
) -> Tensor:
    """Run the forward kernel; arguments as `registration.py` declares them."""
    K, D, W = weight.shape
    batch, L, _ = x.shape
    x, weight, bias, order = _prepare(x, weight, bias, order)
    out = x.new_empty(K, batch, L, D)
    grid = (K * batch, triton.cdiv(L, BLOCK_L), triton.cdiv(D, BLOCK_D))
    with torch.cuda.device_of(x):
        conv_kernel[grid](
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
            BLOCK_L=BLOCK_L,
            BLOCK_D=BLOCK_D,
        )
    return out


def causal_conv1d_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
    activation: Optional[str],
) -> List[Tensor]:
    """Run the backward kernels: gradients of x, weight and bias."""
    K, D, W = weight.shape
    batch, L, _ = x.shape
    dtypes = weight.dtype, None if bias is None else bias.dtype
    x, weight, bias, order = _prepare(x, weight, bias, order)
    grad = grad.contiguous()
    inverse = None
    if order is not None:
        steps = torch.arange(L, device=order.device).expand(K, L)
        inverse = torch.empty_like(order).scatter_(1, order, steps)
    dx = x.new_empty(batch, L, D)
    sums = triton.cdiv(L, BLOCK_L * TILES_PER_SUM)
    parts = x.new_empty(K, batch * sums, W + 1, D, dtype=torch.float32)
    shared = (*x.stride()[:2], batch, L, D)
    blocks = dict(
        W=W, SILU=activation == 'silu', BLOCK_L=BLOCK_L, BLOCK_D=BLOCK_D
    )
    channel_blocks = triton.cdiv(D, BLOCK_D)
    with torch.cuda.device_of(x):
        input_gradient_kernel[batch, triton.cdiv(L, BLOCK_L), channel_blocks](
            grad, x, weight, bias, order, inverse, dx, *shared, K=K, **blocks
        )
        filter_gradient_kernel[K * batch, sums, channel_blocks](
            grad,
            x,
            weight,
            bias,
            order,
            parts,
            *shared,
            TILES=TILES_PER_SUM,
            **blocks,
        )
    dweight = parts[:, :, :W].sum(1).transpose(1, 2).to(dtypes[0])
    gradients = [dx, dweight.contiguous()]
    if bias is not None:
        gradients.append(parts[:, :, W].sum(1).to(dtypes[1]))
    return gradients


def _prepare(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    order: Optional[Tensor],
) -> Tuple[Tensor, Tensor, Optional[Tensor], Optional[Tensor]]:
    """Channels innermost in x, taps outermost of a channel's weights."""
    if x.stride(-1) != 1:
        x = x.contiguous()
    weight = weight.float().transpose(1, 2).contiguous()
    bias = None if bias is None else bias.float().contiguous()
    return x, weight, bias, None if order is None else order.contiguous()


@triton.jit
def load_tokens(order_ptr, k, steps, L):
    """The tokens that `steps` visit, int64; 0 where there is no such step."""
    if order_ptr is None:
        token = steps.to(tl.int64)
    else:
        inside = (steps >= 0) & (steps < L)
        token = tl.load(order_ptr + k * L + steps, mask=inside, other=0)
    return token


@triton.jit
def load_tap(x_ptr, order_ptr, k, steps, d, stride_l, L, D):
    """(BLOCK_L, BLOCK_D) of x where `steps` go; zero before and after."""
    inside = (steps >= 0) & (steps < L)
    place = load_tokens(order_ptr, k, steps, L)[:, None] * stride_l + d[None]
    mask = inside[:, None] & (d < D)[None]
    return tl.load(x_ptr + place, mask=mask, other=0).to(tl.float32)


@triton.jit
def load_filter(weight_ptr, bias_ptr, k, d, D, W: tl.constexpr):
    """W rows of weights and one of biases, each (1, BLOCK_D)."""
    rows = ()
    for w in tl.static_range(W):
        row = tl.load(weight_ptr + (k * W + w) * D + d, mask=d < D, other=0)
        rows += (row[None],)
    return rows, load_or_zero(bias_ptr, k * D + d, d < D)[None]


@triton.jit
def load_conv_gradient(
    grad_ptr,
    order_ptr,
    taps,
    FIRST: tl.constexpr,
    weights,
    bias,
    k,
    kb,
    steps,
    d,
    L,
    D,
    W: tl.constexpr,
    SILU: tl.constexpr,
):
    """The gradient before the activation, of the outputs at `steps`.

    taps[FIRST : FIRST + W] are what those outputs saw.
    """
    token = load_tokens(order_ptr, k, steps, L)
    place = (kb * L + token)[:, None] * D + d[None]
    mask = (steps < L)[:, None] & (d < D)[None]
    grad = tl.load(grad_ptr + place, mask=mask, other=0).to(tl.float32)
    if SILU:
        out = bias
        for w in tl.static_range(W):
            out += taps[FIRST + w] * weights[w]
        gate = sigmoid(out)
        grad *= gate * (1 + out * (1 - gate))
    return grad


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
    kb = tl.program_id(0).to(tl.int64)
    k = kb // batch
    steps = tl.program_id(1) * BLOCK_L + tl.arange(0, BLOCK_L)
    d = tl.program_id(2) * BLOCK_D + tl.arange(0, BLOCK_D)
    x_ptr += (kb % batch) * stride_b
    weights, out = load_filter(weight_ptr, bias_ptr, k, d, D, W)
    for w in tl.static_range(W):
        seen = steps + (w + 1 - W)
        tap = load_tap(x_ptr, order_ptr, k, seen, d, stride_l, L, D)
        out += tap * weights[w]
    if SILU:
        out *= sigmoid(out)
    token = load_tokens(order_ptr, k, steps, L)
    place = (kb * L + token)[:, None] * D + d[None]
    tl.store(out_ptr + place, out, mask=(steps < L)[:, None] & (d < D)[None])


@triton.jit(do_not_specialize=SIZES)
def input_gradient_kernel(
    grad_ptr,
    x_ptr,
    weight_ptr,
    bias_ptr,
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
    SILU: tl.constexpr,
    BLOCK_L: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Per token: the W outputs that saw it, in each of K directions."""
    b = tl.program_id(0).to(tl.int64)
    token = tl.program_id(1) * BLOCK_L + tl.arange(0, BLOCK_L)
    d = tl.program_id(2) * BLOCK_D + tl.arange(0, BLOCK_D)
    x_ptr += b * stride_b
    dx = tl.zeros([BLOCK_L, BLOCK_D], tl.float32)
    for k in tl.static_range(K):
        weights, bias = load_filter(weight_ptr, bias_ptr, k, d, D, W)
        # No visit for a masked token: past the end, where all is zero.
        visit = load_tokens(inverse_ptr, k, token, L)
        visit = tl.where(token < L, visit, L)
        taps = ()
        for offset in tl.static_range(1 - W, W):
            seen = visit + offset
            tap = load_tap(x_ptr, order_ptr, k, seen, d, stride_l, L, D)
            taps += (tap,)
        for later in tl.static_range(W):
            dx += weights[W - 1 - later] * load_conv_gradient(
                grad_ptr,
                order_ptr,
                taps,
                later,
                weights,
                bias,
                k,
                k * batch + b,
                visit + later,
                d,
                L,
                D,
                W,
                SILU,
            )
    place = (b * L + token)[:, None] * D + d[None]
    tl.store(dx_ptr + place, dx, mask=(token < L)[:, None] & (d < D)[None])


@triton.jit(do_not_specialize=SIZES)
def filter_gradient_kernel(
    grad_ptr,
    x_ptr,
    weight_ptr,
    bias_ptr,
    order_ptr,
    parts_ptr,
    stride_b,
    stride_l,
    batch,
    L,
    D,
    TILES: tl.constexpr,
    W: tl.constexpr,
    SILU: tl.constexpr,
    BLOCK_L: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Sums over TILES tiles of steps: parts (K, batch, sums, W + 1, D).

    The last of the W + 1 rows is the bias's.
    """
    kb = tl.program_id(0).to(tl.int64)
    k = kb // batch
    d = tl.program_id(2) * BLOCK_D + tl.arange(0, BLOCK_D)
    x_ptr += (kb % batch) * stride_b
    weights, bias = load_filter(weight_ptr, bias_ptr, k, d, D, W)
    totals = ()
    for _ in tl.static_range(W + 1):
        totals += (tl.zeros([BLOCK_L, BLOCK_D], tl.float32),)
    first = tl.program_id(1) * TILES
    for tile in range(first, tl.minimum(first + TILES, tl.cdiv(L, BLOCK_L))):
        steps = tile * BLOCK_L + tl.arange(0, BLOCK_L)
        taps = ()
        for w in tl.static_range(W):
            seen = steps + (w + 1 - W)
            tap = load_tap(x_ptr, order_ptr, k, seen, d, stride_l, L, D)
            taps += (tap,)
        grad = load_conv_gradient(
            grad_ptr,
            order_ptr,
            taps,
            0,
            weights,
            bias,
            k,
            kb,
            steps,
            d,
            L,
            D,
            W,
            SILU,
        )
        sums = ()
        for w in tl.static_range(W):
            sums += (totals[w] + grad * taps[w],)
        totals = sums + (totals[W] + grad,)
    part = (kb * tl.num_programs(1) + tl.program_id(1)) * (W + 1)
    for w in tl.static_range(W + 1):
        place = (part + w) * D + d
        tl.store(parts_ptr + place, tl.sum(totals[w], 0), mask=d < D)
