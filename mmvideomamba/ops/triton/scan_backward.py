"""The gradients of the scan in Triton; layouts as in `scan_forward.py`.

Nothing was saved but the inputs. `replay_kernel` scans forwards once more and
leaves the state before each CHUNK steps; `backward_kernel` starts from the
end and rebuilds each chunk from there. Sums over channels are written per
channel block and added afterwards, always in the same order: no atomics.
"""

# Triton compiles the kernels: their arguments have no types of Python, and
# their tuples grow.
# mypy: disable-error-code="no-untyped-def, assignment"

import triton
import triton.language as tl

from .scan_forward import (
    LN_2,
    LOG2_E,
    SIZES,
    load_C,
    load_drive,
    load_or_zero,
    sigmoid,
    step_size,
    token_at,
)


@triton.jit
def load_dy(grad_ptr, z_ptr, token_row, z_row, d, mask):
    """The gradient of the directions' sum: through the gate."""
    grad = tl.load(grad_ptr + token_row + d, mask=mask, other=0)
    dy = grad.to(tl.float32)
    if z_ptr is not None:
        z = tl.load(z_ptr + z_row + d, mask=mask, other=0).to(tl.float32)
        dy *= z * sigmoid(z)
    return dy


@triton.jit(do_not_specialize=SIZES)
def replay_kernel(
    grad_ptr,
    u_ptr,
    delta_ptr,
    A_ptr,
    BC_ptr,
    D_ptr,
    z_ptr,
    bias_ptr,
    order_ptr,
    starts_ptr,
    states_ptr,
    dC_ptr,
    dD_ptr,
    dz_ptr,
    stride_zb,
    stride_zl,
    batch,
    L,
    D,
    segment_steps,
    N: tl.constexpr,
    N_PAD: tl.constexpr,
    BLOCK_D: tl.constexpr,
    CHUNK: tl.constexpr,
    SOFTPLUS: tl.constexpr,
):
    """Scan again; gradients that need a state and the future do not concern.

    Writes the state before each CHUNK steps, states (K, batch, L / CHUNK, N,
    D); dC per channel block (blocks, K, batch, L, N), dD per segment (K,
    batch, segments, D) and dz per direction (K, batch, L, D), all float32.
    """
    kb = tl.program_id(0).to(tl.int64)
    segment = tl.program_id(2)
    k = kb // batch
    b = kb % batch
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N_PAD)
    mask = d < D
    tile = n[:, None] * D + d[None, :]
    tile_mask = (n < N)[:, None] & mask[None, :]
    segment_row = kb * tl.num_programs(2) + segment
    chunks = tl.cdiv(L, CHUNK)
    sums_row = tl.program_id(1) * tl.num_programs(0).to(tl.int64) * L

    A = tl.load(A_ptr + k * N * D + tile, mask=tile_mask, other=0) * LOG2_E
    skip = load_or_zero(D_ptr, k * D + d, mask)
    bias = load_or_zero(bias_ptr, k * D + d, mask)
    state = load_or_zero(starts_ptr, segment_row * N * D + tile, tile_mask)
    dskip = tl.zeros([BLOCK_D], tl.float32)

    first = segment * segment_steps
    for t in range(first, tl.minimum(first + segment_steps, L)):
        if t % CHUNK == 0:
            place = (kb * chunks + t // CHUNK) * N * D + tile
            tl.store(states_ptr + place, state, mask=tile_mask)
        token = token_at(order_ptr, k, t, L)
        row = kb * L + token
        u, raw, B = load_drive(u_ptr, delta_ptr, BC_ptr, row, d, n, D, N)
        u = u.to(tl.float32)
        C = load_C(BC_ptr, row, n, N)
        grad_row = (b * L + token) * D
        dy = tl.load(grad_ptr + grad_row + d, mask=mask, other=0)
        dy = dy.to(tl.float32)

        delta, _ = step_size(raw, bias, SOFTPLUS)
        drive = (delta * u)[None, :] * B[:, None]
        state = tl.exp2(delta[None, :] * A) * state + drive
        if z_ptr is not None:
            place = b * stride_zb + token * stride_zl + d
            z = tl.load(z_ptr + place, mask=mask, other=0).to(tl.float32)
            gate = sigmoid(z)
            y = tl.sum(state * C[:, None], 0) + skip * u
            dz = dy * y * gate * (1 + z * (1 - gate))
            tl.store(dz_ptr + row * D + d, dz, mask=mask)
            dy *= z * gate
        dC = tl.sum(state * dy[None, :], 1)
        tl.store(dC_ptr + (sums_row + row) * N + n, dC, mask=n < N)
        dskip += u * dy
    if dD_ptr is not None:
        tl.store(dD_ptr + segment_row * D + d, dskip, mask=mask)


@triton.jit(do_not_specialize=SIZES)
def adjoint_ends_kernel(
    grad_ptr,
    delta_ptr,
    A_ptr,
    BC_ptr,
    z_ptr,
    bias_ptr,
    order_ptr,
    ends_ptr,
    stride_zb,
    stride_zl,
    batch,
    L,
    D,
    segment_steps,
    N: tl.constexpr,
    N_PAD: tl.constexpr,
    BLOCK_D: tl.constexpr,
    SOFTPLUS: tl.constexpr,
):
    """What a segment hands to the steps before it, started from zero.

    The gradient of the state runs backwards in time:
    g_t = exp(delta_t A) (g_{t+1} + C_t dy_t).
    """
    kb = tl.program_id(0).to(tl.int64)
    segment = tl.program_id(2)
    k = kb // batch
    b = kb % batch
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N_PAD)
    mask = d < D
    tile = n[:, None] * D + d[None, :]
    tile_mask = (n < N)[:, None] & mask[None, :]
    segment_row = kb * tl.num_programs(2) + segment

    A = tl.load(A_ptr + k * N * D + tile, mask=tile_mask, other=0) * LOG2_E
    bias = load_or_zero(bias_ptr, k * D + d, mask)
    carry = tl.zeros([N_PAD, BLOCK_D], tl.float32)
    first = segment * segment_steps
    last = tl.minimum(first + segment_steps, L) - 1
    for i in range(last - first + 1):
        token = token_at(order_ptr, k, last - i, L)
        row = kb * L + token
        raw = tl.load(delta_ptr + row * D + d, mask=mask, other=0)
        C = load_C(BC_ptr, row, n, N)
        z_row = b * stride_zb + token * stride_zl
        dy = load_dy(grad_ptr, z_ptr, (b * L + token) * D, z_row, d, mask)
        delta, _ = step_size(raw, bias, SOFTPLUS)
        carry += C[:, None] * dy[None, :]
        carry *= tl.exp2(delta[None, :] * A)
    tl.store(ends_ptr + segment_row * N * D + tile, carry, mask=tile_mask)


@triton.jit(do_not_specialize=SIZES)
def backward_kernel(
    grad_ptr,
    u_ptr,
    delta_ptr,
    A_ptr,
    BC_ptr,
    D_ptr,
    z_ptr,
    bias_ptr,
    order_ptr,
    states_ptr,
    carries_ptr,
    du_ptr,
    ddelta_ptr,
    dA_ptr,
    dB_ptr,
    dbias_ptr,
    stride_zb,
    stride_zl,
    batch,
    L,
    D,
    segment_steps,
    N: tl.constexpr,
    N_PAD: tl.constexpr,
    BLOCK_D: tl.constexpr,
    CHUNK: tl.constexpr,
    SOFTPLUS: tl.constexpr,
):
    """Differentiate one segment from its last step to its first.

    Each chunk is scanned again from its saved state, its CHUNK states held in
    registers. Per step, with w = dstate * exp(delta A) * the state before:

        dstate = C dy + what later steps hand back
        du = delta (dstate . B) + D dy       dB = sum over d of dstate delta u
        ddelta = w . A + u (dstate . B)      dA = sum over t of w delta

    du and ddelta have their dtypes and token order; dA and dbias are per
    segment (K, batch, segments, [N,] D), dB as `dC` of `replay_kernel`.
    """
    kb = tl.program_id(0).to(tl.int64)
    segment = tl.program_id(2)
    k = kb // batch
    b = kb % batch
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N_PAD)
    mask = d < D
    tile = n[:, None] * D + d[None, :]
    tile_mask = (n < N)[:, None] & mask[None, :]
    segment_row = kb * tl.num_programs(2) + segment
    chunks = tl.cdiv(L, CHUNK)
    sums_row = tl.program_id(1) * tl.num_programs(0).to(tl.int64) * L

    A = tl.load(A_ptr + k * N * D + tile, mask=tile_mask, other=0) * LOG2_E
    skip = load_or_zero(D_ptr, k * D + d, mask)
    bias = load_or_zero(bias_ptr, k * D + d, mask)
    carry = load_or_zero(carries_ptr, segment_row * N * D + tile, tile_mask)
    dA = tl.zeros([N_PAD, BLOCK_D], tl.float32)
    dbias = tl.zeros([BLOCK_D], tl.float32)

    first_chunk = segment * segment_steps // CHUNK
    last = tl.minimum((segment + 1) * segment_steps, L) - 1
    last_chunk = last // CHUNK
    for c in range(last_chunk - first_chunk + 1):
        chunk = last_chunk - c
        place = (kb * chunks + chunk) * N * D + tile
        state = tl.load(states_ptr + place, mask=tile_mask, other=0)
        history = ()
        for i in tl.static_range(CHUNK):
            # Steps past the end have delta = 0: they change no state.
            valid = chunk * CHUNK + i < L
            t = tl.minimum(chunk * CHUNK + i, L - 1)
            token = token_at(order_ptr, k, t, L)
            row = kb * L + token
            u, raw, B = load_drive(u_ptr, delta_ptr, BC_ptr, row, d, n, D, N)
            u = u.to(tl.float32)
            delta, slope = step_size(raw, bias, SOFTPLUS)
            delta = tl.where(valid, delta, 0.0)
            history += ((state, token, u, delta, slope),)
            if i < CHUNK - 1:
                drive = (delta * u)[None, :] * B[:, None]
                state = tl.exp2(delta[None, :] * A) * state + drive

        for i in tl.static_range(CHUNK - 1, -1, -1):
            state, token, u, delta, slope = history[i]
            valid = chunk * CHUNK + i < L
            row = kb * L + token
            B = tl.load(BC_ptr + row * 2 * N + n, mask=n < N, other=0)
            C = load_C(BC_ptr, row, n, N)
            z_row = b * stride_zb + token * stride_zl
            dy = load_dy(
                grad_ptr, z_ptr, (b * L + token) * D, z_row, d, mask & valid
            )

            dstate = carry + C[:, None] * dy[None, :]
            dB = tl.sum(dstate * (delta * u)[None, :], 1)
            carry = tl.exp2(delta[None, :] * A) * dstate
            w = carry * state
            dA += w * delta[None, :]
            drive = tl.sum(dstate * B[:, None], 0)
            # A carries log2(e) for exp2.
            ddelta = (tl.sum(w * A, 0) * LN_2 + u * drive) * slope
            ddelta = tl.where(valid, ddelta, 0.0)
            dbias += ddelta
            du = delta * drive + skip * dy
            sums = dB_ptr + (sums_row + row) * N + n
            tl.store(sums, dB, mask=(n < N) & valid)
            tl.store(ddelta_ptr + row * D + d, ddelta, mask=mask & valid)
            tl.store(du_ptr + row * D + d, du, mask=mask & valid)
    tl.store(dA_ptr + segment_row * N * D + tile, dA, mask=tile_mask)
    tl.store(dbias_ptr + segment_row * D + d, dbias, mask=mask)
