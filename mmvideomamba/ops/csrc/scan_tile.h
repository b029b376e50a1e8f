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

// A * log2(e), so that the decay is 2^(delta * rate); [channel vector][state]
// [lane], zero beyond N and beyond the task's channels.
INLINE void scan_load_rates(const ScanArgs& args, const Task& task, int64_t k,
                            float* rates) {
  const int64_t padded = round_up(args.N, STATES);
  const int64_t width = round_up(task.width(), UNIT);
  for (int64_t i = 0; i < width; ++i) {
    const bool inside = i < task.width();
    const float* a = args.a + (k * args.D + task.begin + i) * args.N;
    float* rate = rates + (i / LANES) * padded * LANES + i % LANES;
    for (int64_t n = 0; n < padded; ++n)
      rate[n * LANES] = inside && n < args.N ? a[n] * LOG2_E : 0.0f;
  }
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
