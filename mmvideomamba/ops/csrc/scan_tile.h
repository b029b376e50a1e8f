// What the scan's forward and backward passes share.
//
// Both go through chunks of CHUNK steps, inside a chunk through blocks of BLOCK
// channels, and inside a block through vectors of LANES channels, whose states
// stay in registers over the steps of the chunk. A tile is one block of one
// chunk; its rows first come, in scan order, as float32 into the L1 cache.
#pragma once

#include "parallel.h"
#include "rows.h"

namespace {

typedef float Block[CHUNK][BLOCK];

INLINE int64_t num_chunks(const ScanArgs& args) {
  return ceil_div(args.L, CHUNK);
}

constexpr float LARGEST_FLOAT = 3.40282347e38f;

// A * log2(e), so that the decay is 2^(delta * rate); finite where A is.
INLINE float scan_rate(float a) {
  const float rate = a * LOG2_E;
  const bool overflows = __builtin_isinf(rate) && !__builtin_isinf(a);
  return overflows ? __builtin_copysignf(LARGEST_FLOAT, a) : rate;
}

INLINE float finite_minimum(float a, float b) {
  const float least = a < b ? a : b;
  return least < LARGEST_FLOAT ? least : LARGEST_FLOAT;
}

// The rates of a task's channels, and the deltas that `exp2_product` takes with
// all rates of a channel.
struct ScanRates {
  float* rate;          // [channel vector][state][lane]
  float *least, *most;  // [channel]

  ScanRates(const ScanArgs& args, int64_t width, Workspace& workspace) {
    rate = workspace.take(width * round_up(args.N, STATES));
    least = workspace.take(width);
    most = workspace.take(width);
  }

  // Zeros beyond N and beyond the task's channels.
  void load(const ScanArgs& args, const Task& task, int64_t k) const {
    const int64_t padded = round_up(args.N, STATES);
    for (int64_t i = 0; i < round_up(task.width(), UNIT); ++i) {
      const bool inside = i < task.width();
      const float* a = args.a + (k * args.D + task.begin + i) * args.N;
      float* to = rate + (i / LANES) * padded * LANES + i % LANES;
      float decay = 0, growth = 0;
      for (int64_t n = 0; n < padded; ++n) {
        const float r = inside && n < args.N ? scan_rate(a[n]) : 0.0f;
        decay = -r > decay ? -r : decay;
        growth = r > growth ? r : growth;
        to[n * LANES] = r;
      }
      most[i] = finite_minimum(FARTHEST / decay, LARGEST / growth);
      least[i] = -finite_minimum(LARGEST / decay, FARTHEST / growth);
    }
  }
};

// Whether the rows of a vector of channels are between two numbers, or NaN.
INLINE bool scan_within(int64_t steps, const float* rows, Vec least, Vec most) {
  Vec low = {}, high = {};
  for (int64_t t = 0; t < steps; ++t) {
    const Vec row = load(rows + t * BLOCK);
    low = minimum(row, low);
    high = maximum(row, high);
  }
  return all_lanes((low >= least) & (high <= most));
}

// The same for infinity, which would make NaN of a padded state's zeros.
INLINE bool scan_pads(const ScanArgs& args, int64_t steps, const float* rows) {
  return args.N % STATES == 0 ||
         scan_within(steps, rows, splat(-LARGEST_FLOAT), splat(LARGEST_FLOAT));
}

// A state's decay in a step; WILD: of any delta.
template <int DEGREE, bool WILD>
INLINE Vec scan_decay(Vec delta, Vec rate) {
  return WILD ? exp2_any_product<DEGREE>(delta, rate)
              : exp2_product<DEGREE>(delta, rate);
}

// Rows of B or C of a chunk, [step][padded N].
INLINE void scan_load_bc(const ScanArgs& args, const Rows& rows, int64_t k,
                         int64_t b, int64_t begin, int64_t steps, float* to) {
  const int64_t padded = round_up(args.N, STATES);
  for (int64_t t = 0; t < steps; ++t) {
    const int64_t token = token_at(args.order, args.L, k, begin + t);
    load_row(rows, row_offset(rows, k, b, token), args.N, padded,
             to + t * padded);
  }
}

// State n before `chunk` > 0 of direction k, at `channel` and those after it
// in its unit.
INLINE float* saved_state(const ScanArgs& args, int64_t k, int64_t b,
                          int64_t chunk, int64_t channel, int64_t n) {
  const int64_t units = ceil_div(args.D, UNIT);
  const int64_t index = (k * args.B + b) * (num_chunks(args) - 1) + chunk - 1;
  return args.states + ((index * units + channel / UNIT) * args.N + n) * UNIT +
         channel % UNIT;
}

// One chunk of one block of channels of direction k of a task.
struct Tile {
  int64_t k, b;
  int64_t begin, steps;    // of the chunk
  int64_t channel, width;  // of the block
  int64_t padded() const { return round_up(width, LANES); }
};

// Software prefetching of the rows that another chunk will need: a scan order
// may lead anywhere, so the hardware prefetcher cannot predict them. While the
// recurrence keeps the arithmetic units busy, each step of each vector of
// channels fetches what it will load then, into the L2 cache: the L1 cache is
// full of this chunk.
template <int ROWS>
struct Prefetch {
  const char* rows[CHUNK][ROWS];
  int64_t item_size[ROWS];

  // `begin` is the first step of the chunk to come.
  void point(int row, const ScanArgs& args, const Rows& to, int64_t k,
             int64_t b, int64_t begin) {
    item_size[row] = to.dtype == FLOAT32 ? 4 : 2;
    for (int64_t t = 0; t < CHUNK; ++t) {
      const int64_t step = min(begin + t, args.L - 1);
      const int64_t token = token_at(args.order, args.L, k, step);
      rows[t][row] = static_cast<const char*>(to.data) +
                     row_offset(to, k, b, token) * item_size[row];
    }
  }

  void fetch(int64_t t, int64_t channel) const {
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row)
      __builtin_prefetch(rows[t][row] + channel * item_size[row], 0, 2);
  }
};

// `rows`, or others where there are none.
INLINE const Rows& either(const Rows& rows, const Rows& others) {
  return rows.data ? rows : others;
}

// Rows of a tile's channels at one of its steps, as in rows.h.
INLINE int64_t tile_offset(const ScanArgs& args, const Tile& tile,
                           const Rows& rows, int64_t t) {
  const int64_t token = token_at(args.order, args.L, tile.k, tile.begin + t);
  return row_offset(rows, tile.k, tile.b, token) + tile.channel;
}

INLINE const float* read_tile_row(const ScanArgs& args, const Tile& tile,
                                  const Rows& rows, int64_t t, float* buffer) {
  return read_row(rows, tile_offset(args, tile, rows, t), tile.width,
                  tile.padded(), buffer);
}

INLINE float* begin_tile_row(const ScanArgs& args, const Tile& tile,
                             const Rows& rows, int64_t t, float* buffer) {
  return begin_row(rows, tile_offset(args, tile, rows, t), tile.width, buffer);
}

INLINE void finish_tile_row(const ScanArgs& args, const Tile& tile,
                            const Rows& rows, int64_t t, const float* row) {
  finish_row(rows, tile_offset(args, tile, rows, t), tile.width, row);
}

// A parameter (K, D) of a tile's channels; zeros where there is none.
INLINE void load_tile_parameter(const ScanArgs& args, const Tile& tile,
                                const float* parameter, float* to) {
  std::memset(to, 0, BLOCK * sizeof(float));
  if (parameter)
    std::memcpy(to, parameter + tile.k * args.D + tile.channel,
                tile.width * sizeof(float));
}

}  // namespace
