// Forward pass of the selective scan.
#include "scan.h"

namespace {

struct Buffers {
  float *rates, *states, *b, *c;

  Buffers(const ScanArgs& args, int64_t width, Workspace& workspace) {
    const int64_t padded = round_up(args.N, STATES);
    rates = workspace.take(width * padded);
    states = workspace.take(width * padded);
    b = workspace.take(CHUNK * padded);
    c = workspace.take(CHUNK * padded);
  }
};

// Advance STATES states of one vector of channels by the steps of a chunk
// and add what they contribute to y.
INLINE void advance(int64_t steps, int64_t padded, const float* delta,
                    const float* drive, const float* b, const float* c,
                    const float* rates, float* states, float* y,
                    const Ahead<4>& ahead, int64_t channel) {
  Vec s[STATES];
#pragma GCC unroll 16
  for (int n = 0; n < STATES; ++n) s[n] = load(states + n * LANES);
  for (int64_t t = 0; t < steps; ++t) {
    ahead.fetch(t, channel);
    const Vec delta_t = load(delta + t * BLOCK);
    const Vec drive_t = load(drive + t * BLOCK);
    // Two sums: half the latency of one.
    Vec even = load(y + t * BLOCK), odd = {};
#pragma GCC unroll 16
    for (int n = 0; n < STATES; ++n) {
      const Vec decay = exp2_product(delta_t, load(rates + n * LANES));
      s[n] = decay * s[n] + drive_t * b[t * padded + n];
      if (n % 2)
        odd += s[n] * c[t * padded + n];
      else
        even += s[n] * c[t * padded + n];
    }
    store(y + t * BLOCK, even + odd);
  }
#pragma GCC unroll 16
  for (int n = 0; n < STATES; ++n) store(states + n * LANES, s[n]);
}

// Read a chunk: delta after its softplus, drive = delta * u, and the skip
// connection, with which y begins.
INLINE void load_tile(const ScanArgs& args, const Tile& tile, Block& delta,
                      Block& drive, Block& y) {
  alignas(64) float bias[BLOCK], skip[BLOCK], buffers[2][BLOCK];
  load_parameter(args, tile, args.delta_bias, bias);
  load_parameter(args, tile, args.skip, skip);
  for (int64_t t = 0; t < tile.steps; ++t) {
    const float* raw = read_row(args, tile, args.delta, t, buffers[0]);
    const float* u = read_row(args, tile, args.u, t, buffers[1]);
    for (int64_t i = 0; i < tile.padded(); i += LANES) {
      Vec x = load(raw + i) + load(bias + i);
      if (args.softplus) x = softplus(x, exp_negative(x));
      store(delta[t] + i, x);
      store(drive[t] + i, load(u + i) * x);
      store(y[t] + i, load(u + i) * load(skip + i));
    }
  }
}

// Add y to the sum of the directions; the last direction gates and stores.
INLINE void merge(const ScanArgs& args, const Tile& tile, const Block& y) {
  const Rows sum = sum_rows(args);
  const bool last = tile.k == args.K - 1, gated = last && args.z.data;
  const Rows& to = last ? args.out : sum;
  alignas(64) float buffers[3][BLOCK] = {};
  for (int64_t t = 0; t < tile.steps; ++t) {
    const float* before =
        tile.k > 0 ? read_row(args, tile, sum, t, buffers[0]) : buffers[0];
    const float* z =
        gated ? read_row(args, tile, args.z, t, buffers[1]) : nullptr;
    float* out = begin_row(args, tile, to, t, buffers[2]);
    for (int64_t i = 0; i < tile.padded(); i += LANES) {
      Vec total = load(y[t] + i) + load(before + i);
      if (gated) total *= load(z + i) * sigmoid(load(z + i));
      store(out + i, total);
    }
    finish_row(args, tile, to, t, out);
  }
}

void save_states(const ScanArgs& args, const Task& task, int64_t k,
                 int64_t chunk, const float* states) {
  const int64_t padded = round_up(args.N, STATES);
  for (int64_t i = 0; i < round_up(task.width(), UNIT); i += LANES)
    for (int64_t n = 0; n < args.N; ++n)
      store_late(saved_state(args, k, task.b, chunk, task.begin + i, n),
                 load(states + (i / LANES * padded + n) * LANES));
}

void scan(const ScanArgs& args, const Task& task, const Buffers& buffers) {
  const int64_t padded = round_up(args.N, STATES);
  for (int64_t k = 0; k < args.K; ++k) {
    load_rates(args, task, k, buffers.rates);
    std::memset(buffers.states, 0,
                round_up(task.width(), UNIT) * padded * sizeof(float));
    for (int64_t chunk = 0; chunk < num_chunks(args); ++chunk) {
      const int64_t begin = chunk * CHUNK;
      const int64_t steps = min(CHUNK, args.L - begin);
      if (args.states && chunk > 0)
        save_states(args, task, k, chunk, buffers.states);
      load_projections(args, args.b, k, task.b, begin, steps, buffers.b);
      load_projections(args, args.c, k, task.b, begin, steps, buffers.c);
      const bool gated = k == args.K - 1 && args.z.data;
      Ahead<4> ahead;
      ahead.point(0, args, args.u, k, task.b, begin + CHUNK);
      ahead.point(1, args, args.delta, k, task.b, begin + CHUNK);
      ahead.point(2, args, either(sum_rows(args), args.out), k, task.b,
                  begin + CHUNK);
      ahead.point(3, args, gated ? args.z : args.u, k, task.b, begin + CHUNK);
      for (int64_t channel = task.begin; channel < task.end;
           channel += BLOCK) {
        const Tile tile = {k,     task.b,  begin,
                           steps, channel, min(BLOCK, task.end - channel)};
        alignas(64) Block delta, drive, y;
        load_tile(args, tile, delta, drive, y);
        for (int64_t i = 0; i < tile.padded(); i += LANES)
          for (int64_t n = 0; n < padded; n += STATES) {
            const int64_t at = (channel - task.begin + i) * padded + n * LANES;
            advance(steps, padded, delta[0] + i, drive[0] + i, buffers.b + n,
                    buffers.c + n, buffers.rates + at, buffers.states + at,
                    y[0] + i, ahead, channel + i);
          }
        merge(args, tile, y);
      }
    }
  }
}

}  // namespace

EXPORT(selective_scan)(const ScanArgs* args) {
  return for_each_task<Buffers>(*args, scan);
}
