"""Prototypes of the convolution's gradients, to be timed by `gpu_first.py`.

Two light kernels where `conv.py` has two that compute the convolution again
for each of a token's W taps:

    conv_pre_gradient   along the scan order: the gradient before the
                        activation, and the sums for the filter's gradient
    conv_gather         per token: the gradient of x, W taps a direction

Four taps, SiLU and a bias; `order` and its inverse are int32.
"""

import triton
import triton.language as tl

from mmvideomamba.ops.triton.scan_forward import sigmoid


@triton.jit
def load_visited(x_ptr, order_ptr, step, stride_l, d, mask):
    """x (BLOCK_D,) of the token that a step visits, float32."""
    token = tl.load(order_ptr + step)
    x = tl.load(x_ptr + token * stride_l + d, mask=mask, other=0)
    return x.to(tl.float32)


@triton.jit(do_not_specialize=['batch', 'L', 'stride_b'])
def conv_pre_gradient(
    grad_ptr,
    x_ptr,
    weight_ptr,
    bias_ptr,
    order_ptr,
    pre_ptr,
    parts_ptr,
    stride_b,
    stride_l,
    batch,
    L,
    D,
    STEPS: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """The gradient before the activation, STEPS steps a program (c1).

    Writes it in token order, pre (K, batch, L, D), and the sums of the steps,
    parts (K, batch, segments, 5, D) float32: of four taps, then of the bias.
    weight is (K, 4, D) float32, x (batch, L, D) by strides.
    """
    kb = tl.program_id(0)
    k = kb // batch
    b = kb % batch
    segment = tl.program_id(2)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    mask = d < D
    clip = kb.to(tl.int64) * L * D
    grad_ptr += clip
    pre_ptr += clip
    x_ptr += b.to(tl.int64) * stride_b
    order_ptr += k * L
    weight_0 = tl.load(weight_ptr + (k * 4 + 0) * D + d, mask=mask, other=0)
    weight_1 = tl.load(weight_ptr + (k * 4 + 1) * D + d, mask=mask, other=0)
    weight_2 = tl.load(weight_ptr + (k * 4 + 2) * D + d, mask=mask, other=0)
    weight_3 = tl.load(weight_ptr + (k * 4 + 3) * D + d, mask=mask, other=0)
    bias = tl.load(bias_ptr + k * D + d, mask=mask, other=0)
    first = segment * STEPS
    zero = tl.zeros([BLOCK_D], tl.float32)
    sum_0, sum_1, sum_2, sum_3, sum_bias = zero, zero, zero, zero, zero
    x_0, x_1, x_2 = zero, zero, zero
    if first > 0:
        x_0 = load_visited(x_ptr, order_ptr, first - 3, stride_l, d, mask)
        x_1 = load_visited(x_ptr, order_ptr, first - 2, stride_l, d, mask)
        x_2 = load_visited(x_ptr, order_ptr, first - 1, stride_l, d, mask)
    for t in range(first, tl.minimum(first + STEPS, L), GROUP):
        group = ()
        for i in tl.static_range(GROUP):
            token = tl.load(order_ptr + tl.minimum(t + i, L - 1))
            valid = mask & (t + i < L)
            x = tl.load(x_ptr + token * stride_l + d, mask=valid, other=0)
            grad = tl.load(grad_ptr + token * D + d, mask=valid, other=0)
            group += ((token, x, grad),)
        for i in tl.static_range(GROUP):
            token, x, grad = group[i]
            x_3 = x.to(tl.float32)
            grad = grad.to(tl.float32)
            out = bias + weight_0 * x_0 + weight_1 * x_1
            out = out + weight_2 * x_2 + weight_3 * x_3
            gate = sigmoid(out)
            grad *= gate * (1 + out * (1 - gate))
            tl.store(pre_ptr + token * D + d, grad, mask=mask & (t + i < L))
            sum_0 += grad * x_0
            sum_1 += grad * x_1
            sum_2 += grad * x_2
            sum_3 += grad * x_3
            sum_bias += grad
            x_0, x_1, x_2 = x_1, x_2, x_3
    row = kb.to(tl.int64) * tl.num_programs(2) + segment
    part = parts_ptr + (row * 5) * D + d
    tl.store(part, sum_0, mask=mask)
    tl.store(part + D, sum_1, mask=mask)
    tl.store(part + 2 * D, sum_2, mask=mask)
    tl.store(part + 3 * D, sum_3, mask=mask)
    tl.store(part + 4 * D, sum_bias, mask=mask)


@triton.jit(do_not_specialize=['batch', 'L'])
def conv_gather(
    pre_ptr,
    weight_ptr,
    order_ptr,
    inverse_ptr,
    dx_ptr,
    batch,
    L,
    D,
    K: tl.constexpr,
    BLOCK_L: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """The gradient of x from `conv_pre_gradient`'s pre (c2).

    inverse (K, L) holds the step that visits each token. Writes dx (batch, L,
    D), contiguous.
    """
    b = tl.program_id(0)
    token = tl.program_id(1) * BLOCK_L + tl.arange(0, BLOCK_L)
    d = tl.program_id(2) * BLOCK_D + tl.arange(0, BLOCK_D)
    mask = d < D
    dx = tl.zeros([BLOCK_L, BLOCK_D], tl.float32)
    for k in tl.static_range(K):
        visit = tl.load(inverse_ptr + k * L + token, mask=token < L, other=0)
        # No visit for a masked token: past the end, where all is zero.
        visit = tl.where(token < L, visit, L)
        clip = pre_ptr + (k * batch + b).to(tl.int64) * L * D
        for later in tl.static_range(4):
            step = visit + later
            inside = step < L
            seen = tl.load(order_ptr + k * L + step, mask=inside, other=0)
            place = clip + seen[:, None] * D + d[None]
            pre = tl.load(place, mask=inside[:, None] & mask[None], other=0)
            pre = pre.to(tl.float32)
            place = weight_ptr + (k * 4 + 3 - later) * D + d
            weight = tl.load(place, mask=mask, other=0)
            dx += pre * weight[None]
    place = dx_ptr + (b.to(tl.int64) * L + token)[:, None] * D + d[None]
    tl.store(place, dx, mask=(token < L)[:, None] & mask[None])
