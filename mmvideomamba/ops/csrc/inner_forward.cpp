// Forward pass of a mixer between its outer projections.
//
// The convolved tokens, 768 numbers each, never leave the caches: spans of
// SPAN steps are convolved, projected and scanned before the next begins. The
// projection sums over all channels, those of other tasks too: each task
// multiplies its own, and after a barrier each adds up all tasks' parts.
#include "conv.h"
#include "product.h"
#include "scan_forward.h"

namespace {

constexpr int64_t SPAN = 4 * CHUNK;

// Both projections as the products read them, one copy for all threads.
struct Weights {
  int64_t channels;  // of the model, whole units
  int64_t columns;   // of x_proj's result: P, whole vectors
  float *x_proj;     // [direction][channel][column]
  float *dt_proj;    // [direction][rank][channel]

  Weights(const InnerArgs& args, Workspace& workspace)
      : channels(round_up(args.conv.D, UNIT)),
        columns(round_up(args.rank + 2 * args.scan.N, LANES)) {
    x_proj = workspace.take(args.conv.K * channels * columns);
    dt_proj = workspace.take(args.conv.K * args.rank * channels);
  }

  // Fill in one unit of channels.
  void load(const InnerArgs& args, int64_t k, int64_t unit) const {
    const int64_t D = args.conv.D, R = args.rank, P = R + 2 * args.scan.N;
    for (int64_t i = unit * UNIT; i < (unit + 1) * UNIT; ++i) {
      const bool inside = i < D;
      float* to = x_proj + (k * channels + i) * columns;
      for (int64_t p = 0; p < columns; ++p)
        to[p] = inside && p < P ? args.x_proj[(k * P + p) * D + i] : 0.0f;
      for (int64_t r = 0; r < R; ++r)
        dt_proj[(k * R + r) * channels + i] =
            inside ? args.dt_proj[(k * D + i) * R + r] : 0.0f;
    }
  }
};

// What a task holds while it walks a direction.
struct Slot {
  ConvBuffers conv;
  ScanBuffers scan;
  int64_t width;    // of the rows below
  float *u;         // [step of the span][channel]
  float *parts[2];  // [step][column], this task's part of the projection
  float *projected; // [step][column]

  Slot(const InnerArgs& args, int64_t width, int64_t columns,
       Workspace& workspace)
      : conv(args.conv, width, workspace),
        scan(args.scan, width, workspace),
        width(width) {
    u = workspace.take(SPAN * width);
    parts[0] = workspace.take(SPAN * columns);
    parts[1] = workspace.take(SPAN * columns);
    projected = workspace.take(SPAN * columns);
  }
};

void begin_direction(const InnerArgs& args, const Task& task, int64_t k,
                     const Slot& slot) {
  load_parameters(args.conv, task, k, slot.conv);
  slot.conv.x.clear();
  begin_direction(args.scan, task, k, slot.scan);
}

// Convolve a span and multiply it with this task's channels of x_proj.
void project_span(const InnerArgs& args, const Weights& weights,
                  const Task& task, int64_t k, int64_t begin, const Slot& slot,
                  float* part) {
  const int64_t steps = min(SPAN, args.conv.L - begin);
  for (int64_t t = 0; t < steps; ++t)
    convolve_step(args.conv, task, k, begin + t, slot.conv,
                  slot.u + t * slot.width);
  const int64_t columns = weights.columns;
  std::memset(part, 0, SPAN * columns * sizeof(float));
  const float* x_proj =
      weights.x_proj + (k * weights.channels + task.begin) * columns;
  for (int64_t i = 0; i < task.width(); i += BLOCK)
    add_product({slot.u + i, slot.width, 1}, {x_proj + i * columns, columns},
                {part, columns}, steps, min(BLOCK, task.width() - i), columns);
}

// Compute a tile's delta from its projections.
INLINE void load_tile(const InnerArgs& args, const Weights& weights,
                      const Task& task, const Slot& slot, int64_t step,
                      const Tile& tile, Recurrence& at) {
  alignas(64) float bias[BLOCK], skip[BLOCK];
  load_parameter(args.scan, tile, args.scan.delta_bias, bias);
  load_parameter(args.scan, tile, args.scan.skip, skip);
  std::memset(at.delta, 0, sizeof(at.delta));
  add_product({slot.projected + step * weights.columns, weights.columns, 1},
              {weights.dt_proj + tile.k * args.rank * weights.channels +
                   tile.channel,
               weights.channels},
              {at.delta[0], BLOCK}, tile.steps, args.rank, tile.padded());
  const float* u = slot.u + step * slot.width + tile.channel - task.begin;
  for (int64_t t = 0; t < tile.steps; ++t)
    begin_step(args.scan, tile, t, at.delta[t], u + t * slot.width, bias, skip,
               at);
}

// Rows of B or C out of the projections, padded with zeros.
INLINE void pick(const float* from, int64_t columns, int64_t N, float* to) {
  const int64_t padded = round_up(N, STATES);
  for (int64_t t = 0; t < CHUNK; ++t) {
    std::memset(to + t * padded, 0, padded * sizeof(float));
    std::memcpy(to + t * padded, from + t * columns, N * sizeof(float));
  }
}

void save_projected(const InnerArgs& args, const Task& task, int64_t k,
                    int64_t begin, int64_t steps, const Slot& slot,
                    int64_t columns) {
  const int64_t P = args.rank + 2 * args.scan.N, L = args.conv.L;
  float* to = args.projected + (k * args.conv.B + task.b) * L * P;
  for (int64_t t = 0; t < steps; ++t)
    std::memcpy(to + token_at(args.conv.order, L, k, begin + t) * P,
                slot.projected + t * columns, P * sizeof(float));
}

// Scan a span whose projections are complete.
void scan_span(const InnerArgs& args, const Weights& weights,
               const Task& task, int64_t k, int64_t begin, const Slot& slot) {
  const ScanArgs& scan = args.scan;
  const int64_t end = min(begin + SPAN, scan.L);
  if (args.projected && task.split == 0)
    save_projected(args, task, k, begin, end - begin, slot, weights.columns);
  const bool gated = k == scan.K - 1 && scan.z.data;
  for (int64_t chunk = begin; chunk < end; chunk += CHUNK) {
    const int64_t step = chunk - begin;
    const float* projected =
        slot.projected + step * weights.columns + args.rank;
    pick(projected, weights.columns, scan.N, slot.scan.b);
    pick(projected + scan.N, weights.columns, scan.N, slot.scan.c);
    Ahead<3> ahead;
    ahead.point(0, scan, args.conv.x, k, task.b, chunk + SPAN);
    ahead.point(1, scan, either(scan.sum, scan.out), k, task.b,
                chunk + CHUNK);
    ahead.point(2, scan, gated ? scan.z : scan.out, k, task.b, chunk + CHUNK);
    scan_chunk(scan, task, k, chunk, slot.scan, ahead,
               [&](const Tile& tile, Recurrence& at) {
                 load_tile(args, weights, task, slot, step, tile, at);
               });
  }
}

int run(const InnerArgs& args) {
  const ConvArgs& conv = args.conv;
  const int status = check_order(conv);
  if (status != OK) return status;

  const int64_t units = round_up(conv.D, UNIT) / UNIT;
  const int64_t width = min((units / conv.splits + 1), units) * UNIT;
  Workspace shared{nullptr}, own{nullptr};
  Slot(args, width, Weights(args, shared).columns, own);
  // Tasks that share a batch element run at the same time.
  const int64_t tasks = conv.B * conv.splits;
  const int64_t together =
      (conv.threads > conv.splits ? conv.threads / conv.splits : 1) *
      conv.splits;
  void* memory = nullptr;
  if (posix_memalign(&memory, 64, (shared.used + together * own.used) * 4))
    return OUT_OF_MEMORY;
  Workspace all{static_cast<float*>(memory)};
  const Weights weights(args, all);
  const auto slot_at = [&](int64_t i) {
    Workspace workspace{all.base + shared.used + i * own.used};
    return Slot(args, width, weights.columns, workspace);
  };

#pragma omp parallel num_threads(conv.threads)
  {
    const FlushDenormals flush;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < conv.K * units; ++i)
      weights.load(args, i / units, i % units);
    int64_t turn = 0;
    for (int64_t first = 0; first < tasks; first += together) {
      const int64_t count = min(together, tasks - first);
      for (int64_t k = 0; k < conv.K; ++k)
        for (int64_t begin = 0; begin < conv.L; begin += SPAN) {
          turn = 1 - turn;
#pragma omp for schedule(static)
          for (int64_t i = 0; i < count; ++i) {
            const Slot slot = slot_at(i);
            const Task task = task_at(conv, first + i);
            if (begin == 0) begin_direction(args, task, k, slot);
            project_span(args, weights, task, k, begin, slot,
                         slot.parts[turn]);
          }
          // A fast thread may go on to the next span: its part goes to the
          // other buffer.
#pragma omp for schedule(static) nowait
          for (int64_t i = 0; i < count; ++i) {
            const Slot slot = slot_at(i);
            const Task task = task_at(conv, first + i);
            const int64_t numbers = SPAN * weights.columns;
            std::memset(slot.projected, 0, numbers * sizeof(float));
            for (int64_t split = 0; split < conv.splits; ++split) {
              const Slot other = slot_at(i - task.split + split);
              for (int64_t j = 0; j < numbers; j += LANES)
                store(slot.projected + j, load(slot.projected + j) +
                                              load(other.parts[turn] + j));
            }
            scan_span(args, weights, task, k, begin, slot);
          }
        }
#pragma omp barrier
    }
  }
  std::free(memory);
  return OK;
}

}  // namespace

EXPORT(mamba_inner)(const InnerArgs* args) { return run(*args); }
