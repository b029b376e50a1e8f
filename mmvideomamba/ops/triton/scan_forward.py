"""The forward scan in Triton, and what its gradients share with it.

A program runs one direction of one clip over BLOCK_D channels. Its state is
one tile (N_PAD, BLOCK_D) with the channels along the lanes of a warp, so a
step costs N exponentials a channel and no exchange between lanes, and the
time loop is a plain loop: no padding of L, no log-depth scan.

The compiler lays the lanes as the load of A asks: with channels innermost in
memory, hence A transposed. If D is known to be a multiple of 16, a lane holds
4 neighbours, and lanes left over share the states; then the sums over
channels, which gradients of B and C need at each step, cost least shuffles.
The forward kernel has no such sum and wants a lane per channel instead: it
keeps D unspecialised.

Layout of the arguments, all contiguous but z:

    A (K, N, D), D and bias (K, D), order (K, L), z (batch, L, D) by strides
    u, delta, and y of one direction each (K, batch, L, D)
    BC (K, batch, L, 2, N) float32: B and C of a token side by side, so
        that every channel block reads them as aligned vectors
    ends, starts (K, batch, segments, N, D), totals (K, batch, segments, D)

A segment is the steps that one program computes. Absent arguments are
None and cost nothing. Glossary: see `reference.py`.
"""

# Triton compiles the kernels: their arguments have no types of Python.
# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl

# Arguments that change from batch to batch: one kernel serves them all.
SIZES = ('batch', 'L', 'segments', 'segment_steps')
LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def sigmoid(x):
    return 1 / (1 + tl.exp2(-x * LOG2_E))


@triton.jit
def softplus(x):
    """log(1 + exp(x)) and its derivative, accurate where they are small too.

    With e = exp(-|x|), log(1 + e) = 2 artanh(e / (2 + e)), whose series in
    squares below 1/9 is short. The GPU's log2 is not accurate near 1.
    """
    e = tl.exp2(-tl.abs(x) * LOG2_E)
    s = e / (2 + e)
    q = s * s
    series = 1 / 11 + q * (1 / 13)
    series = 1 / 9 + q * series
    series = 1 / 7 + q * series
    series = 1 / 5 + q * series
    series = 1 / 3 + q * series
    value = tl.maximum(x, 0) + 2 * s * (1 + q * series)
    return value, tl.where(x < 0, e, 1) / (1 + e)


@triton.jit
def step_size(raw, bias, SOFTPLUS: tl.constexpr):
    """delta and its derivative by the raw value."""
    x = raw.to(tl.float32) + bias
    if SOFTPLUS:
        delta, slope = softplus(x)
    else:
        delta, slope = x, tl.full(x.shape, 1, tl.float32)
    return delta, slope


@triton.jit
def load_or_zero(ptr, offsets, mask):
    if ptr is None:
        values = tl.zeros(offsets.shape, tl.float32)
    else:
        values = tl.load(ptr + offsets, mask=mask, other=0).to(tl.float32)
    return values


@triton.jit
def token_at(order_ptr, k, t, L):
    """The token that step t visits; int64, as offsets are."""
    if order_ptr is None:
        token = tl.full([], t, tl.int64)
    else:
        token = tl.load(order_ptr + k * L + t)
    return token


@triton.jit
def load_drive(u_ptr, delta_ptr, BC_ptr, row, d, n, D, N: tl.constexpr):
    """u and raw delta (BLOCK_D,), B (N_PAD,) of one token."""
    u = tl.load(u_ptr + row * D + d, mask=d < D, other=0)
    raw = tl.load(delta_ptr + row * D + d, mask=d < D, other=0)
    B = tl.load(BC_ptr + row * 2 * N + n, mask=n < N, other=0)
    return u, raw, B


@triton.jit
def load_C(BC_ptr, row, n, N: tl.constexpr):
    return tl.load(BC_ptr + (row * 2 + 1) * N + n, mask=n < N, other=0)


@triton.jit(do_not_specialize=[*SIZES, 'D'])
def forward_kernel(
    u_ptr,
    delta_ptr,
    A_ptr,
    BC_ptr,
    D_ptr,
    bias_ptr,
    order_ptr,
    starts_ptr,
    y_ptr,
    ends_ptr,
    totals_ptr,
    batch,
    L,
    D,
    segment_steps,
    N: tl.constexpr,
    N_PAD: tl.constexpr,
    BLOCK_D: tl.constexpr,
    SOFTPLUS: tl.constexpr,
):
    """Scan one segment of one direction.

    From `starts` (None: zero). Writes y, float32 and in token order, if it
    has a place; the state after the last step and the sum of delta likewise.
    """
    kb = tl.program_id(0).to(tl.int64)
    segment = tl.program_id(2)
    k = kb // batch
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N_PAD)
    mask = d < D
    tile = n[:, None] * D + d[None, :]
    tile_mask = (n < N)[:, None] & mask[None, :]
    segment_row = kb * tl.num_programs(2) + segment

    A = tl.load(A_ptr + k * N * D + tile, mask=tile_mask, other=0) * LOG2_E
    skip = load_or_zero(D_ptr, k * D + d, mask)
    bias = load_or_zero(bias_ptr, k * D + d, mask)
    state = load_or_zero(starts_ptr, segment_row * N * D + tile, tile_mask)
    total = tl.zeros([BLOCK_D], tl.float32)

    first = segment * segment_steps
    last = tl.minimum(first + segment_steps, L) - 1
    row = kb * L + token_at(order_ptr, k, first, L)
    u, raw, B = load_drive(u_ptr, delta_ptr, BC_ptr, row, d, n, D, N)
    C = load_C(BC_ptr, row, n, N)
    next_row = kb * L + token_at(order_ptr, k, tl.minimum(first + 1, last), L)
    for t in range(first, last + 1):
        # Loads run one step ahead of the arithmetic, the order two steps.
        row_t, u_t, raw_t, B_t, C_t = row, u.to(tl.float32), raw, B, C
        row = next_row
        u, raw, B = load_drive(u_ptr, delta_ptr, BC_ptr, row, d, n, D, N)
        C = load_C(BC_ptr, row, n, N)
        following = token_at(order_ptr, k, tl.minimum(t + 2, last), L)
        next_row = kb * L + following

        delta, _ = step_size(raw_t, bias, SOFTPLUS)
        drive = (delta * u_t)[None, :] * B_t[:, None]
        state = tl.exp2(delta[None, :] * A) * state + drive
        if y_ptr is not None:
            y = tl.sum(state * C_t[:, None], 0) + skip * u_t
            tl.store(y_ptr + row_t * D + d, y, mask=mask)
        total += delta
    if ends_ptr is not None:
        tl.store(ends_ptr + segment_row * N * D + tile, state, mask=tile_mask)
        tl.store(totals_ptr + segment_row * D + d, total, mask=mask)


@triton.jit(do_not_specialize=SIZES)
def chain_kernel(
    ends_ptr,
    totals_ptr,
    A_ptr,
    starts_ptr,
    batch,
    D,
    segments,
    REVERSE: tl.constexpr,
    N: tl.constexpr,
    N_PAD: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Where each segment starts, from where each would end if started at 0.

    start of the next = exp(A * sum of delta) * start + end. REVERSE goes
    from the last segment to the first, as gradients of the states do.
    """
    kb = tl.program_id(0).to(tl.int64)
    k = kb // batch
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N_PAD)
    tile = n[:, None] * D + d[None, :]
    tile_mask = (n < N)[:, None] & (d < D)[None, :]
    A = tl.load(A_ptr + k * N * D + tile, mask=tile_mask, other=0) * LOG2_E
    start = tl.zeros([N_PAD, BLOCK_D], tl.float32)
    for i in range(segments):
        segment_row = kb * segments + i
        if REVERSE:
            segment_row = kb * segments + segments - 1 - i
        place = segment_row * N * D + tile
        tl.store(starts_ptr + place, start, mask=tile_mask)
        total = tl.load(totals_ptr + segment_row * D + d, mask=d < D, other=0)
        end = tl.load(ends_ptr + place, mask=tile_mask, other=0)
        start = tl.exp2(total[None, :] * A) * start + end


@triton.jit(do_not_specialize=SIZES)
def gate_kernel(
    y_ptr,
    z_ptr,
    out_ptr,
    stride_zb,
    stride_zl,
    batch,
    L,
    D,
    K: tl.constexpr,
    BLOCK_L: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """out = SiLU(z) * the sum of the directions' y."""
    b = tl.program_id(0).to(tl.int64)
    token = tl.program_id(1) * BLOCK_L + tl.arange(0, BLOCK_L)[:, None]
    token = token.to(tl.int64)
    d = tl.program_id(2) * BLOCK_D + tl.arange(0, BLOCK_D)[None, :]
    mask = (token < L) & (d < D)
    total = tl.zeros([BLOCK_L, BLOCK_D], tl.float32)
    for k in tl.static_range(K):
        row = (k * batch + b) * L + token
        total += tl.load(y_ptr + row * D + d, mask=mask, other=0)
    if z_ptr is not None:
        place = b * stride_zb + token * stride_zl + d
        z = tl.load(z_ptr + place, mask=mask, other=0).to(tl.float32)
        total *= z * sigmoid(z)
    tl.store(out_ptr + (b * L + token) * D + d, total, mask=mask)
