// A mixer's inside by spans of SPAN steps: what its forward and backward passes
// share.
//
// The convolved tokens and their delta, the widest tensors of a mixer, never
// leave the caches: nothing of a span but its results goes to memory. Each span
// needs one sum over all channels, also those of other tasks: the
// input-dependent SSM parameters dt, B, C (forward) or their gradients
// (backward). Every task contributes its own channels' part, and after a
// barrier adds up the parts of all.
#pragma once

#include "conv.h"
#include "product.h"
#include "scan_tile.h"

namespace {

INLINE int64_t num_projections(const InnerArgs& args) {
  return args.rank + 2 * args.scan.N;
}

// Columns of a row of projections or of their gradients, whole vectors.
INLINE int64_t num_columns(const InnerArgs& args) {
  return round_up(num_projections(args), LANES);
}

// Rows of B or C among projections, padded with zeros: [step][padded N].
INLINE void pick_bc(const float* from, int64_t columns, int64_t steps,
                    int64_t N, float* to) {
  const int64_t padded = round_up(N, STATES);
  std::memset(to, 0, steps * padded * sizeof(float));
  for (int64_t t = 0; t < steps; ++t)
    std::memcpy(to + t * padded, from + t * columns, N * sizeof(float));
}

// What a task holds of a span's sum: [step][column]. Two parts in turn, so that
// a task may begin the next span while others still read its part of this one.
struct Parts {
  float *part[2], *total;

  Parts(const InnerArgs& args, Workspace& workspace) {
    const int64_t numbers = SPAN * num_columns(args);
    part[0] = workspace.take(numbers);
    part[1] = workspace.take(numbers);
    total = workspace.take(numbers);
  }
};

// Compute every direction of every batch element by spans, in parallel;
// `REVERSE`: backward in time, the last span first. `Weights(args, workspace)`
// is shared by all, with load_unit(k, unit) for each unit of channels;
// `SpanTask(args, weights, task, width, workspace)` belongs to a task and has
//
//     parts                      its Parts
//     begin(k)                   called before the first span of a direction
//     contribute(k, begin, to)   adds the task's part of a span's sum
//     finish(k, begin)           when parts.total is complete
//     end(k)                     called after the last span
template <bool REVERSE, typename Weights, typename SpanTask>
int for_each_span(InnerArgs args) {
  const ConvArgs& conv = args.conv;
  const CheckedOrder order(conv.order, conv.K, conv.L);
  if (order.status != OK) return order.status;
  args.conv.order = args.scan.order = order.copy;

  const int64_t units = ceil_div(conv.D, UNIT), width = max_task_width(conv);
  Workspace shared{nullptr}, own{nullptr};
  const Weights sizes(args, shared);
  SpanTask(args, sizes, Task{}, width, own);
  // Tasks of one batch element run at the same time.
  const int64_t tasks = conv.B * conv.splits;
  const int64_t wave = min(tasks, round_up(conv.threads, conv.splits));
  void* memory = nullptr;
  if (posix_memalign(&memory, 64, (shared.used + wave * own.used) * 4))
    return OUT_OF_MEMORY;
  Workspace all{static_cast<float*>(memory)};
  const Weights weights(args, all);
  const auto span_task_at = [&](int64_t first, int64_t i) {
    Workspace workspace{all.base + shared.used + i * own.used};
    return SpanTask(args, weights, task_at(conv, first + i), width, workspace);
  };
  const int64_t numbers = SPAN * num_columns(args);
  const int64_t spans = ceil_div(conv.L, SPAN);

#pragma omp parallel num_threads(conv.threads)
  {
    const FlushDenormals flush;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < conv.K * units; ++i)
      weights.load_unit(i / units, i % units);
    int64_t parity = 0;
    for (int64_t first = 0; first < tasks; first += wave) {
      const int64_t count = min(wave, tasks - first);
      for (int64_t k = 0; k < conv.K; ++k)
        for (int64_t span = 0; span < spans; ++span) {
          const int64_t begin = (REVERSE ? spans - 1 - span : span) * SPAN;
          parity = 1 - parity;
#pragma omp for schedule(static)
          for (int64_t i = 0; i < count; ++i) {
            SpanTask task = span_task_at(first, i);
            float* part = task.parts.part[parity];
            std::memset(part, 0, numbers * sizeof(float));
            if (span == 0) task.begin(k);
            task.contribute(k, begin, part);
          }
#pragma omp for schedule(static) nowait
          for (int64_t i = 0; i < count; ++i) {
            // No barrier behind: the loops are alike, so a thread keeps its
            // tasks, and of a task others read nothing but the part of this
            // parity.
            SpanTask task = span_task_at(first, i);
            std::memset(task.parts.total, 0, numbers * sizeof(float));
            for (int64_t split = 0; split < conv.splits; ++split) {
              const int64_t other = i - task.task.split + split;
              const float* part = span_task_at(first, other).parts.part[parity];
              for (int64_t j = 0; j < numbers; j += LANES)
                store(task.parts.total + j,
                      load(task.parts.total + j) + load(part + j));
            }
            task.finish(k, begin);
            if (span == spans - 1) task.end(k);
          }
        }
#pragma omp barrier  // the next wave may be divided otherwise
    }
  }
  std::free(memory);
  return OK;
}

}  // namespace
