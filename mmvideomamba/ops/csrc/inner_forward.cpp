// Forward pass of a mixer between its outer projections.
#include "inner.h"
#include "projections.h"
#include "scan_forward.h"

namespace {

// A task's convolved channels of a span, and the states of its scan. DEGREE is
// that of the decay's `EXP2`.
template <typename Weights, int DEGREE>
struct Slot {
  const InnerArgs& args;
  const Weights& weights;
  const Task task;
  const int64_t width;  // of a row of u
  Parts parts;
  ConvBuffers conv;
  ScanBuffers scan;
  typename Weights::Buffers products;
  float *u, *delta;     // [step of the span][channel]

  Slot(const InnerArgs& args, const Weights& weights, const Task& task,
       int64_t width, Workspace& workspace)
      : args(args),
        weights(weights),
        task(task),
        width(width),
        parts(args, workspace),
        conv(args.conv, width, workspace),
        scan(args.scan, width, workspace),
        products(args, width, workspace),
        u(workspace.take(SPAN * width)),
        delta(workspace.take(SPAN * width)) {}

  void begin(int64_t k) {
    load_parameters(args.conv, task, k, conv);
    conv.x.clear();
    begin_direction(args.scan, task, k, scan);
  }

  // Convolve, and multiply with this task's channels of x_proj.
  void contribute(int64_t k, int64_t begin, float* to) {
    const int64_t steps = min(SPAN, args.conv.L - begin);
    for (int64_t t = 0; t < steps; ++t)
      convolve_step(args.conv, task, k, begin + t, conv, u + t * width);
    weights.project(task, k, {u, width}, steps, products, to);
  }

  // Scan.
  void finish(int64_t k, int64_t begin) {
    const int64_t N = args.scan.N, end = min(begin + SPAN, args.scan.L);
    if (args.projected && task.split == 0) save(k, begin, end - begin);
    weights.project_delta(task, k, parts.total, end - begin, products,
                          {delta, width});
    const bool gated = k == args.scan.K - 1;
    for (int64_t chunk = begin; chunk < end; chunk += CHUNK) {
      const int64_t step = chunk - begin, steps = min(CHUNK, end - chunk);
      const float* b = parts.total + step * weights.columns + args.rank;
      pick(b, weights.columns, steps, N, scan.b);
      pick(b + N, weights.columns, steps, N, scan.c);
      const int64_t next = chunk + CHUNK;
      Ahead<3> ahead;
      ahead.point(0, args.scan, args.conv.x, k, task.b, chunk + SPAN);
      ahead.point(1, args.scan, either(args.scan.sum, args.scan.out), k,
                  task.b, next);
      ahead.point(2, args.scan, gated ? args.scan.z : args.scan.out, k, task.b,
                  next);
      scan_chunk<DEGREE>(args.scan, task, k, chunk, scan, ahead,
                         [&](const Tile& tile, Recurrence& at) {
                           load_tile(tile, step, at);
                         });
    }
  }

  void end(int64_t) {}

 private:
  // `step` of the span is the tile's first.
  void load_tile(const Tile& tile, int64_t step, Recurrence& at) const {
    alignas(64) float bias[BLOCK], skip[BLOCK];
    load_parameter(args.scan, tile, args.scan.delta_bias, bias);
    load_parameter(args.scan, tile, args.scan.skip, skip);
    for (int64_t t = 0; t < tile.steps; ++t) {
      const int64_t row = (step + t) * width + tile.channel - task.begin;
      begin_step(args.scan, tile, t, delta + row, u + row, bias, skip, at);
    }
  }

  // Keep the projections for the backward pass.
  void save(int64_t k, int64_t begin, int64_t steps) const {
    const int64_t P = num_projections(args), L = args.conv.L;
    float* to = args.projected + (k * args.conv.B + task.b) * L * P;
    for (int64_t t = 0; t < steps; ++t)
      std::memcpy(to + token_at(args.conv.order, L, k, begin + t) * P,
                  parts.total + t * weights.columns, P * sizeof(float));
  }
};

template <typename Weights, int DEGREE>
int run(const InnerArgs& args) {
  return for_each_span<false, Weights, Slot<Weights, DEGREE>>(args);
}

}  // namespace

EXPORT(mamba_inner)(const InnerArgs* args) {
#if defined(HAS_AMX)
  if (args->conv.x.dtype == BFLOAT16 && has_tiles())
    return run<HalfWeights, SHORT>(*args);
#endif
  return run<FloatWeights, EXACT>(*args);
}
