// The scan of one chunk, forward: what the scan alone (scan_forward.cpp) and a
// mixer's inside (inner_forward.cpp) share.
#pragma once

#include "scan_tile.h"

namespace {

struct ScanBuffers {
  ScanRates rates;
  float *states, *b, *c;

  ScanBuffers(const ScanArgs& args, int64_t width, Workspace& workspace)
      : rates(args, width, workspace) {
    const int64_t padded = round_up(args.N, STATES);
    states = workspace.take(width * padded);
    b = workspace.take(CHUNK * padded);
    c = workspace.take(CHUNK * padded);
  }
};

// What the recurrence over a tile takes and gives.
struct ScanArrays {
  Block delta;  // after its softplus
  Block drive;  // delta * u
  Block y;
};

// Advance COUNT states of one vector of channels by the steps of a chunk
// and add what they contribute to y. DEGREE is that of the decay's `EXP2`.
template <int DEGREE, bool WILD, int COUNT, int ROWS>
INLINE void scan_steps(int64_t steps, int64_t padded, const float* delta,
                       const float* drive, const float* b, const float* c,
                       const float* rates, float* states, float* y,
                       const Prefetch<ROWS>& prefetch, int64_t channel) {
  Vec s[COUNT];
#pragma GCC unroll 16
  for (int n = 0; n < COUNT; ++n) s[n] = load(states + n * LANES);
  for (int64_t t = 0; t < steps; ++t) {
    prefetch.fetch(t, channel);
    const Vec delta_t = load(delta + t * BLOCK);
    const Vec drive_t = load(drive + t * BLOCK);
    // Two sums: half the latency of one.
    Vec even = load(y + t * BLOCK), odd = {};
#pragma GCC unroll 16
    for (int n = 0; n < COUNT; ++n) {
      const Vec decay =
          scan_decay<DEGREE, WILD>(delta_t, load(rates + n * LANES));
      s[n] = decay * s[n] + drive_t * b[t * padded + n];
      (n % 2 ? odd : even) += s[n] * c[t * padded + n];
    }
    store(y + t * BLOCK, even + odd);
  }
#pragma GCC unroll 16
  for (int n = 0; n < COUNT; ++n) store(states + n * LANES, s[n]);
}

// Prepare a step of a tile, given delta before its bias and softplus; y begins
// with the skip connection.
INLINE void scan_begin_step(const ScanArgs& args, const Tile& tile, int64_t t,
                            const float* raw, const float* u, const float* bias,
                            const float* skip, ScanArrays& at) {
  for (int64_t i = 0; i < tile.padded(); i += LANES) {
    Vec delta = load(raw + i) + load(bias + i);
    if (args.softplus) delta = softplus(delta, exp_negative(delta));
    store(at.delta[t] + i, delta);
    store(at.drive[t] + i, load(u + i) * delta);
    store(at.y[t] + i, args.skip ? load(u + i) * load(skip + i) : Vec{});
  }
}

// Add y to the sum of the directions; the last direction gates and stores.
INLINE void scan_merge_directions(const ScanArgs& args, const Tile& tile,
                                  const Block& y) {
  const Rows& sum = args.sum;
  const bool last = tile.k == args.K - 1, gated = last && args.z.data;
  const Rows& to = last ? args.out : sum;
  alignas(64) float buffers[3][BLOCK] = {};
  for (int64_t t = 0; t < tile.steps; ++t) {
    const float* before =
        tile.k > 0 ? read_tile_row(args, tile, sum, t, buffers[0]) : buffers[0];
    const float* z =
        gated ? read_tile_row(args, tile, args.z, t, buffers[1]) : nullptr;
    float* out = begin_tile_row(args, tile, to, t, buffers[2]);
    for (int64_t i = 0; i < tile.padded(); i += LANES) {
      Vec total = load(y[t] + i) + load(before + i);
      if (gated) total *= silu(load(z + i));
      store(out + i, total);
    }
    finish_tile_row(args, tile, to, t, out);
  }
}

void scan_save_states(const ScanArgs& args, const Task& task, int64_t k,
                      int64_t chunk, const float* states) {
  const int64_t padded = round_up(args.N, STATES);
  for (int64_t i = 0; i < round_up(task.width(), UNIT); i += LANES)
    for (int64_t n = 0; n < args.N; ++n)
      store_non_temporal(saved_state(args, k, task.b, chunk, task.begin + i, n),
                         load(states + (i / LANES * padded + n) * LANES));
}

// COUNT states from `n` on of the vector of channels at `i` of a tile, which is
// `offset` behind the task's first channel.
template <int DEGREE, bool WILD, int COUNT, int ROWS>
INLINE void scan_states(const Tile& tile, ScanArrays& at, int64_t i, int64_t n,
                        int64_t offset, int64_t padded,
                        const ScanBuffers& buffers,
                        const Prefetch<ROWS>& prefetch) {
  const int64_t v = offset * padded + n * LANES;
  scan_steps<DEGREE, WILD, COUNT>(tile.steps, padded, at.delta[0] + i,
                                  at.drive[0] + i, buffers.b + n, buffers.c + n,
                                  buffers.rates.rate + v, buffers.states + v,
                                  at.y[0] + i, prefetch, tile.channel + i);
}

// Of any numbers, one state after another, as slowly as that is.
template <int DEGREE, int ROWS>
COLD void scan_wild_states(const Tile& tile, ScanArrays& at, int64_t i,
                           int64_t N, int64_t offset, int64_t padded,
                           const ScanBuffers& buffers,
                           const Prefetch<ROWS>& prefetch) {
  for (int64_t n = 0; n < N; ++n)
    scan_states<DEGREE, true, 1>(tile, at, i, n, offset, padded, buffers,
                                 prefetch);
}

// Scan a chunk, whose B and C are in the buffers. `begin_tile(tile, at)` begins
// every step of a tile; `prefetch` has rows of the chunk to come.
template <int DEGREE, int ROWS, typename BeginTile>
INLINE void scan_chunk(const ScanArgs& args, const Task& task, int64_t k,
                       int64_t begin, const ScanBuffers& buffers,
                       const Prefetch<ROWS>& prefetch, BeginTile begin_tile) {
  const int64_t padded = round_up(args.N, STATES);
  const int64_t steps = min(CHUNK, args.L - begin);
  if (args.states && begin > 0)
    scan_save_states(args, task, k, begin / CHUNK, buffers.states);
  for (int64_t channel = task.begin; channel < task.end; channel += BLOCK) {
    const Tile tile = {k,     task.b,  begin,
                       steps, channel, min(BLOCK, task.end - channel)};
    alignas(64) ScanArrays at;
    begin_tile(tile, at);
    for (int64_t i = 0; i < tile.padded(); i += LANES) {
      const int64_t offset = channel - task.begin + i;
      const bool tame = scan_within(steps, at.delta[0] + i,
                                    load(buffers.rates.least + offset),
                                    load(buffers.rates.most + offset)) &&
                        scan_pads(args, steps, at.drive[0] + i);
      if (tame)
        for (int64_t n = 0; n < padded; n += STATES)
          scan_states<DEGREE, false, STATES>(tile, at, i, n, offset, padded,
                                             buffers, prefetch);
      else
        scan_wild_states<DEGREE>(tile, at, i, args.N, offset, padded, buffers,
                                 prefetch);
    }
    scan_merge_directions(args, tile, at.y);
  }
}

// Before the first step of direction k.
INLINE void scan_begin_direction(const ScanArgs& args, const Task& task,
                                 int64_t k, const ScanBuffers& buffers) {
  buffers.rates.load(args, task, k);
  std::memset(
      buffers.states, 0,
      round_up(task.width(), UNIT) * round_up(args.N, STATES) * sizeof(float));
}

}  // namespace
