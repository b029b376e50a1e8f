// Gradients of the scan of one chunk: what the scan alone (scan_backward.cpp)
// and a mixer's inside (inner_backward.cpp) share.
//
// Chunks are taken from the last to the first. Each is replayed from the state
// saved before it, keeping the decays and states of its steps; then the
// adjoint, the gradient of the state, runs backward in time. With
//
//     s_t = decay_t s_{t-1} + drive_t B_t     decay = exp(delta A)
//     y_t = s_t . C_t + D u_t                 drive = delta u
//
// the adjoint g_t = C_t dy_t + decay_{t+1} g_{t+1} gives every gradient:
//
//     dC_t = sum_channels dy_t s_t       dB_t = sum_channels g_t drive_t
//     d drive_t = g_t . B_t              d(delta A)_t = g_t decay_t s_{t-1}
#pragma once

#include "scan_tile.h"

namespace {

// States handled at a time: what is kept of a chunk stays in the L1 cache.
constexpr int GROUP = STATES < 8 ? STATES : 8;

struct ScanGradBuffers {
  ScanRates rates;
  float *grad_rates, *adjoint;   // [channel vector][state][lane]
  float *b, *c;                  // [step][state]
  float *grad_b, *grad_c;        // [step][state][lane]
  float *grad_skip, *grad_bias;  // [channel]

  ScanGradBuffers(const ScanArgs& args, int64_t width, Workspace& workspace)
      : rates(args, width, workspace) {
    const int64_t padded = round_up(args.N, STATES);
    grad_rates = workspace.take(width * padded);
    adjoint = workspace.take(width * padded);
    b = workspace.take(CHUNK * padded);
    c = workspace.take(CHUNK * padded);
    grad_b = workspace.take(CHUNK * padded * LANES);
    grad_c = workspace.take(CHUNK * padded * LANES);
    grad_skip = workspace.take(width);
    grad_bias = workspace.take(width);
  }
};

// What a tile holds.
struct ScanGradArrays {
  Block delta, slope, u, drive, grad_y;
  Block y, gate;  // gate: the factor from y to the gradient of z
  Block grad_drive, grad_exponent;
};

// What the replay of a chunk keeps, for one vector of channels.
struct Replay {
  float decay[CHUNK][GROUP][LANES];
  float state[CHUNK + 1][GROUP][LANES];  // before each step; then the last
};

// What joins a sum over channels: `lanes` are those of the vector that are
// channels. Infinity in B or C makes NaN of the zeros of the others, and then
// the chunk is WILD.
template <bool WILD>
INLINE Vec scan_grad_term(Vec term, IntVec lanes) {
  return WILD ? from_bits(bits(term) & lanes) : term;
}

// Run the chunk forward again with COUNT states; add to y and to the gradient
// of C.
template <bool WILD, int COUNT, int ROWS>
INLINE void scan_grad_replay(int64_t steps, int64_t padded,
                             const ScanGradArrays& at, int64_t i, IntVec lanes,
                             const float* b, const float* c, const float* rates,
                             float* y, float* grad_c,
                             const Prefetch<ROWS>& prefetch, int64_t channel,
                             Replay& replay) {
  Vec s[COUNT];
#pragma GCC unroll 16
  for (int n = 0; n < COUNT; ++n) s[n] = load(replay.state[0][n]);
  for (int64_t t = 0; t < steps; ++t) {
    prefetch.fetch(t, channel);
    const Vec delta = load(at.delta[t] + i), drive = load(at.drive[t] + i);
    const Vec grad_y = load(at.grad_y[t] + i);
    Vec even = load(y + t * BLOCK), odd = {};
#pragma GCC unroll 16
    for (int n = 0; n < COUNT; ++n) {
      const Vec decay = scan_decay<EXACT, WILD>(delta, load(rates + n * LANES));
      s[n] = decay * s[n] + drive * b[t * padded + n];
      store(replay.decay[t][n], decay);
      store(replay.state[t + 1][n], s[n]);
      (n % 2 ? odd : even) += s[n] * c[t * padded + n];
      float* sum = grad_c + (t * padded + n) * LANES;
      store(sum, load(sum) + scan_grad_term<WILD>(grad_y * s[n], lanes));
    }
    store(y + t * BLOCK, even + odd);
  }
}

// Run the adjoint of COUNT states backward in time.
template <bool WILD, int COUNT, int ROWS>
INLINE void scan_grad_adjoint(int64_t steps, int64_t padded, ScanGradArrays& at,
                              int64_t i, IntVec lanes, const float* b,
                              const float* c, const float* rates,
                              const Replay& replay,
                              const Prefetch<ROWS>& prefetch, int64_t channel,
                              float* grad_b, float* grad_rates,
                              float* adjoint) {
  Vec g[COUNT], grad_rate[COUNT];
#pragma GCC unroll 16
  for (int n = 0; n < COUNT; ++n) {
    g[n] = load(adjoint + n * LANES);
    grad_rate[n] = load(grad_rates + n * LANES);
  }
  for (int64_t t = steps - 1; t >= 0; --t) {
    prefetch.fetch(t, channel);
    const Vec delta = load(at.delta[t] + i), drive = load(at.drive[t] + i);
    const Vec grad_y = load(at.grad_y[t] + i);
    // Two sums each: half the latency of one.
    Vec grad_drive[2] = {load(at.grad_drive[t] + i)};
    Vec grad_exponent[2] = {load(at.grad_exponent[t] + i)};
#pragma GCC unroll 16
    for (int n = 0; n < COUNT; ++n) {
      g[n] += grad_y * c[t * padded + n];
      grad_drive[n % 2] += g[n] * b[t * padded + n];
      float* sum = grad_b + (t * padded + n) * LANES;
      store(sum, load(sum) + scan_grad_term<WILD>(g[n] * drive, lanes));
      g[n] *= load(replay.decay[t][n]);
      const Vec grad = g[n] * load(replay.state[t][n]);
      grad_exponent[n % 2] += grad * load(rates + n * LANES);
      grad_rate[n] += grad * delta;
    }
    store(at.grad_drive[t] + i, grad_drive[0] + grad_drive[1]);
    store(at.grad_exponent[t] + i, grad_exponent[0] + grad_exponent[1]);
  }
#pragma GCC unroll 16
  for (int n = 0; n < COUNT; ++n) {
    store(adjoint + n * LANES, g[n]);
    store(grad_rates + n * LANES, grad_rate[n]);
  }
}

// Prepare a step of a tile: the gate turns the gradient of the result into
// that of y. `raw` is delta before its bias and softplus, `gate` may be null.
INLINE void scan_grad_begin_step(const ScanArgs& args, const Tile& tile,
                                 int64_t t, const float* raw,
                                 const float* input, const float* grad_out,
                                 const float* gate, const float* bias,
                                 const float* skip, ScanGradArrays& at,
                                 float* grad_skip) {
  for (int64_t i = 0; i < tile.padded(); i += LANES) {
    Vec delta = load(raw + i) + load(bias + i);
    if (args.softplus) {
      const Vec e = exp_negative(delta);
      store(at.slope[t] + i, sigmoid(delta, e));
      delta = softplus(delta, e);
    }
    Vec grad_y = load(grad_out + i);
    if (gate) {
      const Vec z = load(gate + i), s = sigmoid(z, exp_negative(z));
      store(at.gate[t] + i, grad_y * s * (1.0f + z * (1.0f - s)));
      grad_y *= z * s;
    }
    const Vec u = load(input + i);
    store(grad_skip + i, load(grad_skip + i) + grad_y * u);
    store(at.delta[t] + i, delta);
    store(at.u[t] + i, u);
    store(at.drive[t] + i, u * delta);
    store(at.grad_y[t] + i, grad_y);
    store(at.y[t] + i, args.skip ? u * load(skip + i) : Vec{});
    store(at.grad_drive[t] + i, Vec{});
    store(at.grad_exponent[t] + i, Vec{});
  }
}

// From the gradients of delta * u and of delta * A to those of u and delta.
INLINE void scan_grad_finish_step(const ScanArgs& args, const Tile& tile,
                                  int64_t t, const float* skip,
                                  const ScanGradArrays& at, float* grad_bias,
                                  float* grad_u, float* grad_delta) {
  const int32_t skips = args.skip ? -1 : 0;
  for (int64_t i = 0; i < tile.padded(); i += LANES) {
    const Vec grad_drive = load(at.grad_drive[t] + i);
    // The exponent's gradient was summed with A * log2(e) for A.
    Vec grad =
        grad_drive * load(at.u[t] + i) + load(at.grad_exponent[t] + i) * LN_2;
    if (args.softplus) grad *= load(at.slope[t] + i);
    store(grad_bias + i, load(grad_bias + i) + grad);
    store(grad_delta + i, grad);
    // Without a skip no product: infinity times zero is not zero.
    const Vec grad_skipped =
        from_bits(bits(load(skip + i) * load(at.grad_y[t] + i)) & skips);
    store(grad_u + i, grad_drive * load(at.delta[t] + i) + grad_skipped);
  }
}

// The gate's gradient needs the sum of the directions: add y to it; the last
// direction stores.
INLINE void scan_grad_merge_directions(const ScanArgs& args, const Tile& tile,
                                       const ScanGradArrays& at) {
  const Rows& sum = args.sum;
  const bool last = tile.k == args.K - 1;
  const Rows& to = last ? args.grad_z : sum;
  alignas(64) float buffers[2][BLOCK] = {};
  for (int64_t t = 0; t < tile.steps; ++t) {
    const float* before =
        tile.k > 0 ? read_tile_row(args, tile, sum, t, buffers[0]) : buffers[0];
    float* out = begin_tile_row(args, tile, to, t, buffers[1]);
    for (int64_t i = 0; i < tile.padded(); i += LANES) {
      const Vec total = load(at.y[t] + i) + load(before + i);
      store(out + i, last ? total * load(at.gate[t] + i) : total);
    }
    finish_tile_row(args, tile, to, t, out);
  }
}

void scan_grad_store_parameters(const ScanArgs& args, const Task& task,
                                int64_t k, const ScanGradBuffers& buffers) {
  const int64_t padded = round_up(args.N, STATES);
  const int64_t channel = (task.b * args.K + k) * args.D + task.begin;
  for (int64_t i = 0; i < task.width(); ++i)
    for (int64_t n = 0; n < args.N; ++n)
      args.grad_a[(channel + i) * args.N + n] =
          buffers.grad_rates[(i / LANES * padded + n) * LANES + i % LANES];
  if (args.grad_skip)
    std::memcpy(args.grad_skip + channel, buffers.grad_skip,
                task.width() * sizeof(float));
  if (args.grad_delta_bias)
    std::memcpy(args.grad_delta_bias + channel, buffers.grad_bias,
                task.width() * sizeof(float));
}

INLINE void scan_grad_load_replay(const ScanArgs& args, const Tile& tile,
                                  int64_t i, int64_t n, int64_t count,
                                  Replay& replay) {
  const int64_t chunk = tile.begin / CHUNK;
  for (int64_t j = 0; j < count; ++j) {
    const bool saved = chunk > 0 && n + j < args.N;
    store(replay.state[0][j],
          saved ? load(saved_state(args, tile.k, tile.b, chunk,
                                   tile.channel + i, n + j))
                : Vec{});
  }
}

// COUNT states from `n` on of the vector of channels at `i` of a tile, which
// is `offset` behind the task's first channel.
template <bool WILD, int COUNT, int INPUTS, int OUTPUTS>
INLINE void scan_grad_states(const ScanArgs& args, const Tile& tile,
                             ScanGradArrays& at, int64_t i, int64_t n,
                             int64_t offset, const ScanGradBuffers& buffers,
                             const Prefetch<INPUTS>& inputs,
                             const Prefetch<OUTPUTS>& outputs, Replay& replay) {
  const int64_t padded = round_up(args.N, STATES);
  const int64_t v = (offset + i) * padded + n * LANES;
  const float *b = buffers.b + n, *c = buffers.c + n;
  const float* rates = buffers.rates.rate + v;
  const IntVec lanes = first_lanes(tile.width - i);
  scan_grad_load_replay(args, tile, i, n, COUNT, replay);
  scan_grad_replay<WILD, COUNT>(tile.steps, padded, at, i, lanes, b, c, rates,
                                at.y[0] + i, buffers.grad_c + n * LANES, inputs,
                                tile.channel + i, replay);
  scan_grad_adjoint<WILD, COUNT>(tile.steps, padded, at, i, lanes, b, c, rates,
                                 replay, outputs, tile.channel + i,
                                 buffers.grad_b + n * LANES,
                                 buffers.grad_rates + v, buffers.adjoint + v);
}

// Of any numbers, one state after another.
template <int INPUTS, int OUTPUTS>
COLD void scan_grad_wild_states(const ScanArgs& args, const Tile& tile,
                                ScanGradArrays& at, int64_t i, int64_t offset,
                                const ScanGradBuffers& buffers,
                                const Prefetch<INPUTS>& inputs,
                                const Prefetch<OUTPUTS>& outputs,
                                Replay& replay) {
  for (int64_t n = 0; n < args.N; ++n)
    scan_grad_states<true, 1>(args, tile, at, i, n, offset, buffers, inputs,
                              outputs, replay);
}

INLINE bool scan_grad_finite_bc(const ScanArgs& args, int64_t steps,
                                const ScanGradBuffers& buffers) {
  bool finite = true;
  for (int64_t i = 0; i < steps * round_up(args.N, STATES); ++i)
    finite &=
        __builtin_isfinite(buffers.b[i]) && __builtin_isfinite(buffers.c[i]);
  return finite;
}

// Gradients of a chunk, whose B and C are in the buffers; it leaves the lanes
// of their gradients there. `begin_tile(tile, at, grad_skip)` begins every step
// of a tile, `finish_tile(tile, at, grad_bias)` finishes them; `inputs` and
// `outputs` prefetch rows of the chunk to come.
template <int INPUTS, int OUTPUTS, typename BeginTile, typename FinishTile>
INLINE void scan_grad_chunk(const ScanArgs& args, const Task& task, int64_t k,
                            int64_t begin, const ScanGradBuffers& buffers,
                            const Prefetch<INPUTS>& inputs,
                            const Prefetch<OUTPUTS>& outputs,
                            BeginTile begin_tile, FinishTile finish_tile) {
  const int64_t padded = round_up(args.N, STATES);
  const int64_t steps = min(CHUNK, args.L - begin);
  std::memset(buffers.grad_b, 0, steps * padded * LANES * sizeof(float));
  std::memset(buffers.grad_c, 0, steps * padded * LANES * sizeof(float));
  for (int64_t channel = task.begin; channel < task.end; channel += BLOCK) {
    const Tile tile = {k,     task.b,  begin,
                       steps, channel, min(BLOCK, task.end - channel)};
    const int64_t offset = channel - task.begin;
    alignas(64) ScanGradArrays at;
    alignas(64) Replay replay;
    begin_tile(tile, at, buffers.grad_skip + offset);
    for (int64_t i = 0; i < tile.padded(); i += LANES) {
      const ScanRates& rates = buffers.rates;
      const bool tame =
          scan_within(steps, at.delta[0] + i, load(rates.least + offset + i),
                      load(rates.most + offset + i)) &&
          scan_pads(args, steps, at.drive[0] + i) &&
          scan_pads(args, steps, at.grad_y[0] + i) &&
          (i + LANES <= tile.width ||
           scan_grad_finite_bc(args, steps, buffers));
      if (tame)
        for (int64_t n = 0; n < padded; n += GROUP)
          scan_grad_states<false, GROUP>(args, tile, at, i, n, offset, buffers,
                                         inputs, outputs, replay);
      else
        scan_grad_wild_states(args, tile, at, i, offset, buffers, inputs,
                              outputs, replay);
    }
    if (args.z.data) scan_grad_merge_directions(args, tile, at);
    finish_tile(tile, at, buffers.grad_bias + offset);
  }
}

// Before the last step of direction k.
INLINE void scan_grad_begin_direction(const ScanArgs& args, const Task& task,
                                      int64_t k,
                                      const ScanGradBuffers& buffers) {
  const int64_t width = round_up(task.width(), UNIT);
  const int64_t numbers = width * round_up(args.N, STATES);
  buffers.rates.load(args, task, k);
  std::memset(buffers.grad_rates, 0, numbers * sizeof(float));
  std::memset(buffers.adjoint, 0, numbers * sizeof(float));
  std::memset(buffers.grad_skip, 0, width * sizeof(float));
  std::memset(buffers.grad_bias, 0, width * sizeof(float));
}

}  // namespace
