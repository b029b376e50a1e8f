"""The gradients of the scan in Triton.

`gate_gradient_kernel` takes the gradient through the gate. Of the states
nothing was saved: `replay_kernel` scans forwards once more and leaves the
state before each GROUP steps; `backward_kernel` starts from the end and
rebuilds each group from there. Sums over channels are written per channel
block and added afterwards, always in the same order: no atomics.

Layouts as in `scan_forward.py`, but where a state is a tile (BLOCK_D, N): its
sums over channels, which gradients of B and C need at each step, go through
shuffles, of which there are fewest where a lane holds 4 channels of 4 states.
So

    A, carries, starts and dA are (..., D, N), not (..., N, D)
    states (K, batch, L / GROUP, D, N), in the data's dtype if that is
        bfloat16, else float32

`adjoint_ends_kernel` alone has no such sum and takes what the forward scan
takes.
"""

# Triton compiles the kernels: their arguments have no types of Python, and
# their tuples grow.
# mypy: disable-error-code="no-untyped-def, assignment, var-annotated"

import triton
import triton.language as tl

from .scan_forward import (
    LN_2,
    LOG2_E,
    SIZES,
    gate_place,
    load_B,
    load_C,
    load_or_zero,
    load_rows,
    load_tokens,
    scan_place,
    sigmoid,
    step_size,
)


@triton.jit(do_not_specialize=SIZES)
def gate_gradient_kernel(
    grad_ptr,
    z_ptr,
    kept_ptr,
    dy_ptr,
    dz_ptr,
    stride_zb,
    stride_zl,
    stride_dzb,
    stride_dzl,
    batch,
    L,
    D,
    channels,
    BLOCK_L: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """dy = SiLU(z) * grad, of each direction; dz = SiLU'(z) * y * grad.

    y, summed over the directions, is what `gate_kernel` kept; dy has D
    channels, zero behind the first `channels`, all others have these alone.
    """
    b, token, d, mask = gate_place(L, channels, BLOCK_L, BLOCK_D)
    place = (b * L + token) * channels + d
    z_place = b * stride_zb + token * stride_zl + d
    grad = tl.load(grad_ptr + place, mask=mask, other=0).to(tl.float32)
    y = tl.load(kept_ptr + place, mask=mask, other=0).to(tl.float32)
    z = tl.load(z_ptr + z_place, mask=mask, other=0).to(tl.float32)
    gate = sigmoid(z)
    dy_place = (b * L + token) * D + d
    tl.store(dy_ptr + dy_place, grad * (z * gate), mask=token < L)
    slope = gate * (1 + z * (1 - gate))
    dz_place = b * stride_dzb + token * stride_dzl + d
    tl.store(dz_ptr + dz_place, grad * y * slope, mask=mask)


@triton.jit
def load_dy(dy_ptr, tokens, first, d, L, D, GROUP: tl.constexpr):
    """dy (BLOCK_D,) of each token; zero past the end."""
    group = ()
    for i in tl.static_range(GROUP):
        place = tokens[i] * D + d
        dy = tl.load(dy_ptr + place, mask=first + i < L, other=0)
        group += (dy,)
    return group


@triton.jit
def four_at_most(stride):
    """The stride of a tile, so that a lane takes 4 states of it, not 8."""
    return stride // 4 * 4


@triton.jit(do_not_specialize=[*SIZES, 'tile_size'])
def replay_kernel(
    dy_ptr,
    u_ptr,
    delta_ptr,
    A_ptr,
    BC_ptr,
    bias_ptr,
    order_ptr,
    starts_ptr,
    states_ptr,
    dC_ptr,
    dD_ptr,
    batch,
    L,
    D,
    segment_steps,
    tile_size,
    N: tl.constexpr,
    BC_WIDTH: tl.constexpr,
    BLOCK_D: tl.constexpr,
    GROUP: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    APPLIED: tl.constexpr,
):
    """Scan again; gradients that need a state and the future do not concern.

    Writes the states before each GROUP steps; dC per channel block (K, batch,
    blocks, L, N), of their dtype; dD per segment (K, batch, segments, D),
    float32. tile_size is D * N.
    """
    kb, block, segment = scan_place(D, BLOCK_D)
    k = kb // batch
    d = block * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N)
    tile = d[:, None] * N + n[None, :]
    segment_row = kb * tl.num_programs(1) + segment
    sums_row = kb * (D // BLOCK_D) + block
    tile_size = four_at_most(tile_size)
    dy_ptr += kb % batch * L * D
    u_ptr += kb * L * D
    delta_ptr += kb * L * D
    BC_ptr += kb * L * BC_WIDTH
    order_ptr += k * L
    dC_ptr += sums_row * L * N

    A = tl.load(A_ptr + k * D * N + tile) * LOG2_E
    bias = load_or_zero(bias_ptr, k * D + d)
    state = load_or_zero(starts_ptr, segment_row * D * N + tile)
    dskip = tl.zeros([BLOCK_D], tl.float32)

    start = segment * segment_steps
    states_row = kb * tl.cdiv(L, GROUP) + start // GROUP
    states_ptr += states_row * tile_size
    tokens = load_tokens(order_ptr, start, L, GROUP)
    us = load_rows(u_ptr, tokens, d, D, GROUP)
    raws = load_rows(delta_ptr, tokens, d, D, GROUP)
    dys = load_dy(dy_ptr, tokens, start, d, L, D, GROUP)
    for first in range(start, tl.minimum(start + segment_steps, L), GROUP):
        after = first + GROUP
        tokens_after = load_tokens(order_ptr, after, L, GROUP)
        us_after = load_rows(u_ptr, tokens_after, d, D, GROUP)
        raws_after = load_rows(delta_ptr, tokens_after, d, D, GROUP)
        dys_after = load_dy(dy_ptr, tokens_after, after, d, L, D, GROUP)
        tl.store(states_ptr + tile, state)
        states_ptr += tile_size
        for i in tl.static_range(GROUP):
            B = load_B(BC_ptr, tokens[i], n, BC_WIDTH)
            u = us[i].to(tl.float32)
            dy = dys[i].to(tl.float32)
            delta, _ = step_size(raws[i], bias, SOFTPLUS, APPLIED)
            drive = (delta * u)[:, None] * B[None, :]
            state = tl.exp2(delta[:, None] * A) * state + drive
            dC = tl.sum(state * dy[:, None], 0)
            tl.store(dC_ptr + tokens[i] * N + n, dC, mask=first + i < L)
            dskip += u * dy
        tokens, dys = tokens_after, dys_after
        us, raws = us_after, raws_after
    if dD_ptr is not None:
        tl.store(dD_ptr + segment_row * D + d, dskip)


@triton.jit(do_not_specialize=[*SIZES, 'D'])
def adjoint_ends_kernel(
    dy_ptr,
    delta_ptr,
    A_ptr,
    BC_ptr,
    bias_ptr,
    order_ptr,
    ends_ptr,
    batch,
    L,
    D,
    segment_steps,
    N: tl.constexpr,
    BC_WIDTH: tl.constexpr,
    BLOCK_D: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    APPLIED: tl.constexpr,
):
    """What a segment hands to the steps before it, started from zero.

    The gradient of the state runs backwards in time:
    g_t = exp(delta_t A) (g_{t+1} + C_t dy_t).
    """
    kb, block, segment = scan_place(D, BLOCK_D)
    k = kb // batch
    d = block * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N)
    tile = n[:, None] * D + d[None, :]
    segment_row = kb * tl.num_programs(1) + segment
    dy_ptr += kb % batch * L * D
    delta_ptr += kb * L * D
    BC_ptr += kb * L * BC_WIDTH
    order_ptr += k * L

    A = tl.load(A_ptr + k * N * D + tile) * LOG2_E
    bias = load_or_zero(bias_ptr, k * D + d)
    carry = tl.zeros([N, BLOCK_D], tl.float32)
    first = segment * segment_steps
    last = tl.minimum(first + segment_steps, L) - 1
    for i in range(last - first + 1):
        (token,) = load_tokens(order_ptr, last - i, L, 1)
        delta, _ = step_size(
            tl.load(delta_ptr + token * D + d), bias, SOFTPLUS, APPLIED
        )
        C = load_C(BC_ptr, token, n, N, BC_WIDTH)
        dy = tl.load(dy_ptr + token * D + d).to(tl.float32)
        carry += C[:, None] * dy[None, :]
        carry *= tl.exp2(delta[None, :] * A)
    tl.store(ends_ptr + segment_row * N * D + tile, carry)


@triton.jit(do_not_specialize=[*SIZES, 'tile_size'])
def backward_kernel(
    dy_ptr,
    u_ptr,
    delta_ptr,
    A_ptr,
    BC_ptr,
    D_ptr,
    bias_ptr,
    order_ptr,
    states_ptr,
    carries_ptr,
    du_ptr,
    ddelta_ptr,
    dA_ptr,
    dB_ptr,
    dbias_ptr,
    batch,
    L,
    D,
    segment_steps,
    tile_size,
    N: tl.constexpr,
    BC_WIDTH: tl.constexpr,
    BLOCK_D: tl.constexpr,
    GROUP: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    APPLIED: tl.constexpr,
):
    """Differentiate one segment from its last step to its first.

    Each group is scanned again from its saved state, its GROUP states held in
    registers. Per step, with w = dstate * exp(delta A) * the state before:

        dstate = C dy + what later steps hand back
        du = delta (dstate . B) + D dy       dB = sum over d of dstate delta u
        ddelta = w . A + u (dstate . B)      dA = sum over t of w delta

    du and ddelta have their dtypes and token order; dA and dbias are per
    segment (K, batch, segments, D[, N]), dB as `dC` of `replay_kernel`.

    What the group before will need is loaded halfway: by then half of the
    states are done with, and their registers are free. Steps past the end have
    the last token's data but no dy, and no step after them: they add zeros,
    and write where the last token will, which then overwrites them.
    """
    kb, block, segment = scan_place(D, BLOCK_D)
    k = kb // batch
    d = block * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N)
    tile = d[:, None] * N + n[None, :]
    segment_row = kb * tl.num_programs(1) + segment
    sums_row = kb * (D // BLOCK_D) + block
    tile_size = four_at_most(tile_size)
    dy_ptr += kb % batch * L * D
    u_ptr += kb * L * D
    delta_ptr += kb * L * D
    du_ptr += kb * L * D
    ddelta_ptr += kb * L * D
    BC_ptr += kb * L * BC_WIDTH
    order_ptr += k * L
    dB_ptr += sums_row * L * N

    A = tl.load(A_ptr + k * D * N + tile) * LOG2_E
    skip = load_or_zero(D_ptr, k * D + d)
    bias = load_or_zero(bias_ptr, k * D + d)
    carry = load_or_zero(carries_ptr, segment_row * D * N + tile)
    dA = tl.zeros([BLOCK_D, N], tl.float32)
    dbias = tl.zeros([BLOCK_D], tl.float32)

    start = segment * segment_steps
    last = tl.minimum(start + segment_steps, L) - 1
    first = last // GROUP * GROUP
    states_row = kb * tl.cdiv(L, GROUP) + first // GROUP
    states_ptr += states_row * tile_size
    tokens = load_tokens(order_ptr, first, L, GROUP)
    us = load_rows(u_ptr, tokens, d, D, GROUP)
    raws = load_rows(delta_ptr, tokens, d, D, GROUP)
    dys = load_dy(dy_ptr, tokens, first, d, L, D, GROUP)
    state = tl.load(states_ptr + tile)
    for done in range((last - start) // GROUP + 1):
        first = (last // GROUP - done) * GROUP
        # The first group loads itself once more: there is none before.
        before = tl.maximum(first - GROUP, start)
        tokens_before = load_tokens(order_ptr, before, L, GROUP)
        states_ptr -= (first - before) // GROUP * tile_size
        history = ()
        state = state.to(tl.float32)
        for i in tl.static_range(GROUP):
            history += (state,)
            if i < GROUP - 1:
                u = us[i].to(tl.float32)
                delta, _ = step_size(raws[i], bias, SOFTPLUS, APPLIED)
                B = load_B(BC_ptr, tokens[i], n, BC_WIDTH)
                drive = (delta * u)[:, None] * B[None, :]
                state = tl.exp2(delta[:, None] * A) * state + drive

        us_before, raws_before, dys_before = us, raws, dys
        for i in tl.static_range(GROUP - 1, -1, -1):
            u = us[i].to(tl.float32)
            delta, slope = step_size(raws[i], bias, SOFTPLUS, APPLIED)
            decay = tl.exp2(delta[:, None] * A)
            dy = dys[i].to(tl.float32)
            B = load_B(BC_ptr, tokens[i], n, BC_WIDTH)
            C = load_C(BC_ptr, tokens[i], n, N, BC_WIDTH)
            dstate = carry + C[None, :] * dy[:, None]
            dB = tl.sum(dstate * (delta * u)[:, None], 0)
            carry = decay * dstate
            w = carry * history[i]
            dA += w * delta[:, None]
            drive = tl.sum(dstate * B[None, :], 1)
            # A carries log2(e) for exp2.
            ddelta = (u * drive + tl.sum(w * A, 1) * LN_2) * slope
            dbias += ddelta
            du = delta * drive + skip * dy
            place = tokens[i] * D + d
            tl.store(dB_ptr + tokens[i] * N + n, dB)
            tl.store(ddelta_ptr + place, ddelta)
            tl.store(du_ptr + place, du)
            if i == GROUP // 2:
                state = tl.load(states_ptr + tile)
                us_before = load_rows(u_ptr, tokens_before, d, D, GROUP)
                raws_before = load_rows(delta_ptr, tokens_before, d, D, GROUP)
                dys_before = load_rows(dy_ptr, tokens_before, d, D, GROUP)
        tokens, dys = tokens_before, dys_before
        us, raws = us_before, raws_before
    tl.store(dA_ptr + segment_row * D * N + tile, dA)
    tl.store(dbias_ptr + segment_row * D + d, dbias)
