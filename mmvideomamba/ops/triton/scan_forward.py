"""The forward scan in Triton, and what its gradients share with it.

A program runs one direction of one clip over BLOCK_D channels, of which D is
a multiple: whoever launches has appended zeros. Its state is one tile (N,
BLOCK_D), so that a step costs N exponentials a channel, and the time loop is
a plain loop: no padding of L, no log-depth scan. GROUP steps are loaded while
the GROUP before them are computed.

The compiler lays the lanes as the load of A asks. Here channels are innermost
in memory, and D is not known to be a multiple of anything: a lane holds all
states of its channels and exchanges nothing with others.
`scan_backward.py` wants it otherwise.

Layout of the arguments, all contiguous but z and BC:

    A (K, N, D), D and bias (K, D), order (K, L), z (batch, L, D) by strides
    u, delta, and y of one direction each (K, batch, L, D)
    BC (K, batch, L, 2 N) float32, B and then C, in rows of BC_WIDTH
    ends, starts (K, batch, segments, N, D), totals (K, batch, segments, D)

A segment is the steps that one program computes, a multiple of GROUP.
Offsets within a clip are int32. Absent arguments are None and cost nothing.
Glossary: see `reference.py`.
"""

# Triton compiles the kernels: their arguments have no types of Python, and
# their tuples grow.
# mypy: disable-error-code="no-untyped-def, assignment"

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
def slope_before_softplus(delta):
    """The derivative of softplus where its value is delta, 1 - exp(-delta).

    By its series where the difference would lose digits.
    """
    series = 1 / 24 - delta * (1 / 120)
    series = 1 / 6 - delta * series
    series = 1 / 2 - delta * series
    series = delta * (1 - delta * series)
    return tl.where(delta < 1 / 8, series, 1 - tl.exp2(-delta * LOG2_E))


@triton.jit
def step_size(raw, bias, SOFTPLUS: tl.constexpr, APPLIED: tl.constexpr):
    """delta and its derivative by the raw value.

    APPLIED: what comes is delta, softplus of that value.
    """
    x = raw.to(tl.float32)
    if APPLIED:
        delta, slope = x, slope_before_softplus(x)
    elif SOFTPLUS:
        delta, slope = softplus(x + bias)
    else:
        delta, slope = x + bias, tl.full(x.shape, 1, tl.float32)
    return delta, slope


@triton.jit
def scan_place(D, BLOCK_D: tl.constexpr):
    """What a program scans: direction and clip, channel block, segment.

    The channel blocks of a clip run side by side: they read the same lines.
    """
    blocks = D // BLOCK_D
    kb = (tl.program_id(0) // blocks).to(tl.int64)
    return kb, tl.program_id(0) % blocks, tl.program_id(1)


@triton.jit
def load_or_zero(ptr, offsets):
    if ptr is None:
        values = tl.zeros(offsets.shape, tl.float32)
    else:
        values = tl.load(ptr + offsets).to(tl.float32)
    return values


@triton.jit
def load_tokens(order_ptr, first, L, GROUP: tl.constexpr):
    """The tokens that GROUP steps visit, int32; the last one past the end."""
    tokens = ()
    for i in tl.static_range(GROUP):
        t = tl.minimum(first + i, L - 1)
        tokens += (tl.load(order_ptr + t).to(tl.int32),)
    return tokens


@triton.jit
def load_rows(ptr, tokens, d, D, GROUP: tl.constexpr):
    """What each token has in the channels d."""
    rows = ()
    for i in tl.static_range(GROUP):
        rows += (tl.load(ptr + tokens[i] * D + d),)
    return rows


@triton.jit
def load_B(BC_ptr, token, n, BC_WIDTH: tl.constexpr):
    return tl.load(BC_ptr + token * BC_WIDTH + n)


@triton.jit
def load_C(BC_ptr, token, n, N: tl.constexpr, BC_WIDTH: tl.constexpr):
    return tl.load(BC_ptr + token * BC_WIDTH + N + n)


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
    BC_WIDTH: tl.constexpr,
    BLOCK_D: tl.constexpr,
    GROUP: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    APPLIED: tl.constexpr,
):
    """Scan one segment of one direction.

    From `starts` (None: zero). Writes y, float32 and in token order, if it
    has a place; the state after the last step and the sum of delta likewise.
    Steps past the end repeat the last one, so that both are wrong for the
    last segment, where nobody needs them.
    """
    kb, block, segment = scan_place(D, BLOCK_D)
    k = kb // batch
    d = block * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N)
    tile = n[:, None] * D + d[None, :]
    segment_row = kb * tl.num_programs(1) + segment
    u_ptr += kb * L * D
    delta_ptr += kb * L * D
    if y_ptr is not None:
        y_ptr += kb * L * D
    BC_ptr += kb * L * BC_WIDTH
    order_ptr += k * L

    A = tl.load(A_ptr + k * N * D + tile) * LOG2_E
    skip = load_or_zero(D_ptr, k * D + d)
    bias = load_or_zero(bias_ptr, k * D + d)
    state = load_or_zero(starts_ptr, segment_row * N * D + tile)
    total = tl.zeros([BLOCK_D], tl.float32)

    start = segment * segment_steps
    tokens = load_tokens(order_ptr, start, L, GROUP)
    us = load_rows(u_ptr, tokens, d, D, GROUP)
    raws = load_rows(delta_ptr, tokens, d, D, GROUP)
    B = load_B(BC_ptr, tokens[0], n, BC_WIDTH)
    C = load_C(BC_ptr, tokens[0], n, N, BC_WIDTH)
    for first in range(start, tl.minimum(start + segment_steps, L), GROUP):
        tokens_after = load_tokens(order_ptr, first + GROUP, L, GROUP)
        us_after = load_rows(u_ptr, tokens_after, d, D, GROUP)
        raws_after = load_rows(delta_ptr, tokens_after, d, D, GROUP)
        for i in tl.static_range(GROUP):
            u = us[i].to(tl.float32)
            delta, _ = step_size(raws[i], bias, SOFTPLUS, APPLIED)
            drive = (delta * u)[None, :] * B[:, None]
            state = tl.exp2(delta[None, :] * A) * state + drive
            if y_ptr is not None:
                y = tl.sum(state * C[:, None], 0) + skip * u
                tl.store(y_ptr + tokens[i] * D + d, y, mask=first + i < L)
            total += delta
            if i + 1 < GROUP:
                following = tokens[i + 1]
            else:
                following = tokens_after[0]
            B = load_B(BC_ptr, following, n, BC_WIDTH)
            C = load_C(BC_ptr, following, n, N, BC_WIDTH)
        tokens, us, raws = tokens_after, us_after, raws_after
    if ends_ptr is not None:
        tl.store(ends_ptr + segment_row * N * D + tile, state)
        tl.store(totals_ptr + segment_row * D + d, total)


@triton.jit(do_not_specialize=SIZES)
def chain_kernel(
    ends_ptr,
    totals_ptr,
    A_ptr,
    starts_ptr,
    starts_stride_n,
    starts_stride_d,
    batch,
    D,
    segments,
    REVERSE: tl.constexpr,
    N: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Where each segment starts, from where each would end if started at 0.

    start of the next = exp(A * sum of delta) * start + end. REVERSE goes
    from the last segment to the first, as gradients of the states do. The
    last two axes of starts have strides: `scan_backward.py` wants (D, N).
    """
    kb, block, _ = scan_place(D, BLOCK_D)
    k = kb // batch
    d = block * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, N)
    tile = n[:, None] * D + d[None, :]
    starts_tile = n[:, None] * starts_stride_n + d[None, :] * starts_stride_d
    A = tl.load(A_ptr + k * N * D + tile) * LOG2_E
    start = tl.zeros([N, BLOCK_D], tl.float32)
    for i in range(segments):
        segment_row = kb * segments + i
        if REVERSE:
            segment_row = kb * segments + segments - 1 - i
        tl.store(starts_ptr + segment_row * N * D + starts_tile, start)
        total = tl.load(totals_ptr + segment_row * D + d)
        end = tl.load(ends_ptr + segment_row * N * D + tile)
        start = tl.exp2(total[None, :] * A) * start + end


@triton.jit
def gate_place(L, channels, BLOCK_L: tl.constexpr, BLOCK_D: tl.constexpr):
    """Clip, tokens and channels of a program; which of these there are.

    The programs of all clips are numbered along one axis: the other two end
    at 65535.
    """
    tiles = tl.cdiv(L, BLOCK_L)
    b = (tl.program_id(0) // tiles).to(tl.int64)
    token = (tl.program_id(0) % tiles) * BLOCK_L + tl.arange(0, BLOCK_L)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    token = token.to(tl.int64)[:, None]
    d = d[None, :]
    return b, token, d, (token < L) & (d < channels)


@triton.jit(do_not_specialize=SIZES)
def gate_kernel(
    y_ptr,
    z_ptr,
    out_ptr,
    kept_ptr,
    stride_zb,
    stride_zl,
    batch,
    L,
    D,
    channels,
    K: tl.constexpr,
    BLOCK_L: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """out = SiLU(z) * the sum of the directions' y, which `kept` keeps.

    y has D channels, of which the first `channels` are not appended zeros.
    """
    b, token, d, mask = gate_place(L, channels, BLOCK_L, BLOCK_D)
    total = tl.zeros([BLOCK_L, BLOCK_D], tl.float32)
    for k in tl.static_range(K):
        row = (k * batch + b) * L + token
        total += tl.load(y_ptr + row * D + d, mask=mask, other=0)
    place = (b * L + token) * channels + d
    if kept_ptr is not None:
        tl.store(kept_ptr + place, total, mask=mask)
    if z_ptr is not None:
        z_place = b * stride_zb + token * stride_zl + d
        z = tl.load(z_ptr + z_place, mask=mask, other=0).to(tl.float32)
        total *= z * sigmoid(z)
    tl.store(out_ptr + place, total, mask=mask)
