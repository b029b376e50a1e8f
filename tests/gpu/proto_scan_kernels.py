"""Prototypes of faster scan kernels, to be timed on a GPU by `gpu_first.py`.

They compute what the kernels of `mmvideomamba/ops/triton` do, with
less around it. What they leave out, and ask for:

- one segment: a program scans all steps, so the batch has to fill the GPU;
- N is a power of two, all arguments are there and contiguous;
- `order` is int32, so that offsets within a clip are; pointers move to the
  clip once;
- the gate is applied outside: `replay_grouped` and `backward_grouped` are
  given dy, the gradient of the directions' sum;
- these two are given delta after the softplus, and return its gradient by
  the raw value.

Layouts as in `scan_forward.py`: BC (K, batch, L, 2, N) float32 holds the
input-dependent B and C of a token side by side, and A is (K, N, D).
"""

import triton
import triton.language as tl

from mmvideomamba.ops.triton.scan_forward import LN_2, LOG2_E, step_size


@triton.jit
def load_row(ptr, offsets, mask):
    return tl.load(ptr + offsets, mask=mask, other=0)


@triton.jit
def load_drive(u_ptr, delta_ptr, order_ptr, step, d, D, mask):
    """The token of a step; u and delta there."""
    token = tl.load(order_ptr + step)
    u = load_row(u_ptr, token * D + d, mask)
    return token, u, load_row(delta_ptr, token * D + d, mask)


@triton.jit
def load_step(u_ptr, delta_ptr, dy_ptr, order_ptr, step, d, D, mask):
    """The token of a step; u, delta and dy there."""
    token = tl.load(order_ptr + step)
    u = load_row(u_ptr, token * D + d, mask)
    delta = load_row(delta_ptr, token * D + d, mask)
    return token, u, delta, load_row(dy_ptr, token * D + d, mask)


@triton.jit
def load_B(BC_ptr, token, n, N: tl.constexpr):
    return tl.load(BC_ptr + token * 2 * N + n)


@triton.jit
def load_C(BC_ptr, token, n, N: tl.constexpr):
    return tl.load(BC_ptr + token * 2 * N + N + n)


@triton.jit(do_not_specialize=['batch', 'L', 'D'])
def forward_prefetch(
    u_ptr,
    delta_ptr,
    A_ptr,
    BC_ptr,
    D_ptr,
    bias_ptr,
    order_ptr,
    y_ptr,
    batch,
    L,
    D,
    N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    SOFTPLUS: tl.constexpr,
):
    """Forward scan with loads two steps ahead of the arithmetic (f1).

    Writes y (K, batch, L, D) float32, in token order.
    """
    kb = tl.program_id(0)
    k = kb // batch
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N)
    mask = d < D
    tile = n[:, None] * D + d[None, :]
    clip = kb.to(tl.int64) * L
    u_ptr += clip * D
    delta_ptr += clip * D
    y_ptr += clip * D
    BC_ptr += clip * 2 * N
    order_ptr += k * L
    A_tile = A_ptr + k * N * D + tile
    A = tl.load(A_tile, mask=mask[None, :], other=0) * LOG2_E
    skip = load_row(D_ptr, k * D + d, mask)
    bias = load_row(bias_ptr, k * D + d, mask)
    state = tl.zeros([N, BLOCK_D], tl.float32)

    token_0 = tl.load(order_ptr)
    token_1 = tl.load(order_ptr + tl.minimum(1, L - 1))
    token_2 = tl.load(order_ptr + tl.minimum(2, L - 1))
    u_0 = load_row(u_ptr, token_0 * D + d, mask)
    raw_0 = load_row(delta_ptr, token_0 * D + d, mask)
    u_1 = load_row(u_ptr, token_1 * D + d, mask)
    raw_1 = load_row(delta_ptr, token_1 * D + d, mask)
    B = load_B(BC_ptr, token_0, n, N)
    C = load_C(BC_ptr, token_0, n, N)
    for t in range(0, L):
        token_3 = tl.load(order_ptr + tl.minimum(t + 3, L - 1))
        u_2 = load_row(u_ptr, token_2 * D + d, mask)
        raw_2 = load_row(delta_ptr, token_2 * D + d, mask)

        u = u_0.to(tl.float32)
        delta, _ = step_size(raw_0, bias, SOFTPLUS)
        decay = tl.exp2(delta[None, :] * A)
        state = decay * state + (delta * u)[None, :] * B[:, None]
        y = tl.sum(state * C[:, None], 0) + skip * u
        tl.store(y_ptr + token_0 * D + d, y, mask=mask)

        B = load_B(BC_ptr, token_1, n, N)
        C = load_C(BC_ptr, token_1, n, N)
        token_0, token_1, token_2 = token_1, token_2, token_3
        u_0, raw_0 = u_1, raw_1
        u_1, raw_1 = u_2, raw_2


@triton.jit(do_not_specialize=['batch', 'L', 'D'])
def forward_grouped(
    u_ptr,
    delta_ptr,
    A_ptr,
    BC_ptr,
    D_ptr,
    bias_ptr,
    order_ptr,
    y_ptr,
    batch,
    L,
    D,
    N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    GROUP: tl.constexpr,
):
    """Forward scan; a group of steps is loaded while one is computed (f2).

    Writes y (K, batch, L, D) float32, in token order.
    """
    kb = tl.program_id(0)
    k = kb // batch
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N)
    mask = d < D
    tile = n[:, None] * D + d[None, :]
    clip = kb.to(tl.int64) * L
    u_ptr += clip * D
    delta_ptr += clip * D
    y_ptr += clip * D
    BC_ptr += clip * 2 * N
    order_ptr += k * L
    A_tile = A_ptr + k * N * D + tile
    A = tl.load(A_tile, mask=mask[None, :], other=0) * LOG2_E
    skip = load_row(D_ptr, k * D + d, mask)
    bias = load_row(bias_ptr, k * D + d, mask)
    state = tl.zeros([N, BLOCK_D], tl.float32)

    group = ()
    for i in tl.static_range(GROUP):
        step = tl.minimum(i, L - 1)
        group += (load_drive(u_ptr, delta_ptr, order_ptr, step, d, D, mask),)
    B = load_B(BC_ptr, group[0][0], n, N)
    C = load_C(BC_ptr, group[0][0], n, N)
    for first in range(0, L, GROUP):
        following = ()
        for i in tl.static_range(GROUP):
            step = tl.minimum(first + GROUP + i, L - 1)
            drive = load_drive(u_ptr, delta_ptr, order_ptr, step, d, D, mask)
            following += (drive,)
        for i in tl.static_range(GROUP):
            token, u, raw = group[i]
            u = u.to(tl.float32)
            delta, _ = step_size(raw, bias, SOFTPLUS)
            decay = tl.exp2(delta[None, :] * A)
            state = decay * state + (delta * u)[None, :] * B[:, None]
            y = tl.sum(state * C[:, None], 0) + skip * u
            tl.store(y_ptr + token * D + d, y, mask=mask & (first + i < L))
            if i + 1 < GROUP:
                after = group[i + 1][0]
            else:
                after = following[0][0]
            B = load_B(BC_ptr, after, n, N)
            C = load_C(BC_ptr, after, n, N)
        group = following


@triton.jit(do_not_specialize=['batch', 'L'])
def replay_grouped(
    u_ptr,
    delta_ptr,
    dy_ptr,
    A_ptr,
    BC_ptr,
    order_ptr,
    states_ptr,
    dC_ptr,
    dD_ptr,
    batch,
    L,
    D,
    N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    GROUP: tl.constexpr,
):
    """`replay_kernel`; a group is loaded while one is computed (b1).

    Writes the state before each group, states (K, batch, L / GROUP, N, D),
    dC per channel block (blocks, K, batch, L, N) and dD (K, batch, D), all
    float32.
    """
    kb = tl.program_id(0)
    k = kb // batch
    b = kb % batch
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N)
    mask = d < D
    tile = n[:, None] * D + d[None, :]
    tile_mask = mask[None, :]
    clip = kb.to(tl.int64) * L
    u_ptr += clip * D
    delta_ptr += clip * D
    BC_ptr += clip * 2 * N
    order_ptr += k * L
    dy_ptr += b.to(tl.int64) * L * D
    groups = tl.cdiv(L, GROUP)
    states_ptr += kb.to(tl.int64) * groups * N * D
    rows = tl.program_id(1) * tl.num_programs(0).to(tl.int64)
    dC_ptr += (rows + kb) * L * N
    A_tile = A_ptr + k * N * D + tile
    A = tl.load(A_tile, mask=tile_mask, other=0) * LOG2_E
    state = tl.zeros([N, BLOCK_D], tl.float32)
    dskip = tl.zeros([BLOCK_D], tl.float32)

    group = ()
    for i in tl.static_range(GROUP):
        step = tl.minimum(i, L - 1)
        loaded = load_step(
            u_ptr, delta_ptr, dy_ptr, order_ptr, step, d, D, mask
        )
        group += (loaded,)
    for first in range(0, L, GROUP):
        state_tile = states_ptr + (first // GROUP) * N * D + tile
        tl.store(state_tile, state, mask=tile_mask)
        following = ()
        for i in tl.static_range(GROUP):
            step = tl.minimum(first + GROUP + i, L - 1)
            loaded = load_step(
                u_ptr, delta_ptr, dy_ptr, order_ptr, step, d, D, mask
            )
            following += (loaded,)
        for i in tl.static_range(GROUP):
            token, u, delta, dy = group[i]
            B = load_B(BC_ptr, token, n, N)
            # Steps past the end have delta = 0: they change no state.
            valid = first + i < L
            u = u.to(tl.float32)
            delta = tl.where(valid, delta.to(tl.float32), 0.0)
            dy = dy.to(tl.float32)
            decay = tl.exp2(delta[None, :] * A)
            state = decay * state + (delta * u)[None, :] * B[:, None]
            dC = tl.sum(state * dy[None, :], 1)
            tl.store(dC_ptr + token * N + n, dC, mask=valid)
            dskip += tl.where(valid, u * dy, 0.0)
        group = following
    tl.store(dD_ptr + kb * D + d, dskip, mask=mask)


@triton.jit(do_not_specialize=['batch', 'L'])
def backward_grouped(
    u_ptr,
    delta_ptr,
    dy_ptr,
    A_ptr,
    BC_ptr,
    D_ptr,
    order_ptr,
    states_ptr,
    du_ptr,
    ddelta_ptr,
    dA_ptr,
    dB_ptr,
    batch,
    L,
    D,
    N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    GROUP: tl.constexpr,
):
    """`backward_kernel` with loads a group ahead of the arithmetic (b2).

    Reads the states of `replay_grouped`. du and ddelta have their dtypes and
    token order; dA (K, batch, N, D) and dB as that kernel's dC are float32.
    """
    kb = tl.program_id(0)
    k = kb // batch
    b = kb % batch
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N)
    mask = d < D
    tile = n[:, None] * D + d[None, :]
    tile_mask = mask[None, :]
    clip = kb.to(tl.int64) * L
    u_ptr += clip * D
    delta_ptr += clip * D
    du_ptr += clip * D
    ddelta_ptr += clip * D
    BC_ptr += clip * 2 * N
    order_ptr += k * L
    dy_ptr += b.to(tl.int64) * L * D
    groups = tl.cdiv(L, GROUP)
    states_ptr += kb.to(tl.int64) * groups * N * D
    rows = tl.program_id(1) * tl.num_programs(0).to(tl.int64)
    dB_ptr += (rows + kb) * L * N
    A_tile = A_ptr + k * N * D + tile
    A = tl.load(A_tile, mask=tile_mask, other=0) * LOG2_E
    skip = load_row(D_ptr, k * D + d, mask)
    carry = tl.zeros([N, BLOCK_D], tl.float32)
    dA = tl.zeros([N, BLOCK_D], tl.float32)

    group = ()
    last = groups - 1
    for i in tl.static_range(GROUP):
        step = tl.minimum(last * GROUP + i, L - 1)
        loaded = load_step(
            u_ptr, delta_ptr, dy_ptr, order_ptr, step, d, D, mask
        )
        group += (loaded,)
    state_tile = states_ptr + last * N * D + tile
    state = tl.load(state_tile, mask=tile_mask, other=0)
    for done in range(groups):
        current = last - done
        before = tl.maximum(current - 1, 0)
        preceding = ()
        for i in tl.static_range(GROUP):
            step = before * GROUP + i
            loaded = load_step(
                u_ptr, delta_ptr, dy_ptr, order_ptr, step, d, D, mask
            )
            preceding += (loaded,)
        history = (state,)
        for i in tl.static_range(GROUP - 1):
            token, u, delta, dy = group[i]
            B = load_B(BC_ptr, token, n, N)
            delta = delta.to(tl.float32)
            state = tl.exp2(delta[None, :] * A) * state
            state += (delta * u.to(tl.float32))[None, :] * B[:, None]
            history += (state,)
        state_tile = states_ptr + before * N * D + tile
        state = tl.load(state_tile, mask=tile_mask, other=0)
        for i in tl.static_range(GROUP - 1, -1, -1):
            token, u, delta, dy = group[i]
            valid = current * GROUP + i < L
            u = u.to(tl.float32)
            delta = tl.where(valid, delta.to(tl.float32), 0.0)
            dy = tl.where(valid, dy.to(tl.float32), 0.0)
            B = load_B(BC_ptr, token, n, N)
            C = load_C(BC_ptr, token, n, N)
            dstate = carry + C[:, None] * dy[None, :]
            dB = tl.sum(dstate * (delta * u)[None, :], 1)
            carry = tl.exp2(delta[None, :] * A) * dstate
            w = carry * history[i]
            dA += w * delta[None, :]
            drive = tl.sum(dstate * B[:, None], 0)
            # The softplus' slope, from its value.
            slope = 1 - tl.exp2(-delta * LOG2_E)
            # A carries log2(e) for exp2.
            ddelta = (tl.sum(w * A, 0) * LN_2 + u * drive) * slope
            du = delta * drive + skip * dy
            tl.store(dB_ptr + token * N + n, dB, mask=valid)
            tl.store(ddelta_ptr + token * D + d, ddelta, mask=mask & valid)
            tl.store(du_ptr + token * D + d, du, mask=mask & valid)
        group = preceding
    tl.store(dA_ptr + kb * N * D + tile, dA, mask=tile_mask)
