// Forward pass of a mixer between its outer projections.
#include "amx.h"
#include "inner.h"
#include "scan_forward.h"

namespace {

// x_proj as the products of float32 read it: [direction][channel][column].
struct FloatProjection {
  const int64_t channels, columns;
  float* weight;

  // What a task needs for a product.
  struct Buffers {
    Buffers(const InnerArgs&, int64_t, Workspace&) {}
  };

  FloatProjection(const InnerArgs& args, Workspace& workspace)
      : channels(round_up(args.conv.D, UNIT)), columns(num_columns(args)) {
    weight = workspace.take(args.conv.K * channels * columns);
  }

  void set(int64_t k, int64_t channel, int64_t column, float value) const {
    weight[(k * channels + channel) * columns + column] = value;
  }

  // A task's part of the sum over channels; `to` holds zeros.
  void multiply(const Task& task, int64_t k, const float* u, int64_t width,
                int64_t steps, const Buffers&, float* to) const {
    const float* right = weight + (k * channels + task.begin) * columns;
    for (int64_t i = 0; i < task.width(); i += BLOCK)
      add_product({u + i, width, 1}, {right + i * columns, columns},
                  {to, columns}, steps, min(BLOCK, task.width() - i), columns);
  }
};

#if defined(HAS_AMX)

// The same as the products of bfloat16 read it: pairs of channels.
struct HalfProjection {
  const int64_t channels, columns;
  uint16_t* weight;

  struct Buffers {
    HalfMatrix u;

    Buffers(const InnerArgs&, int64_t width, Workspace& workspace) {
      u.row = round_up(width, DEPTH);
      u.data = take_halves(workspace, SPAN * u.row);
    }
  };

  HalfProjection(const InnerArgs& args, Workspace& workspace)
      : channels(round_up(args.conv.D, UNIT)), columns(num_columns(args)) {
    const int64_t numbers = args.conv.K * channels * columns;
    const int64_t unit = UNIT * columns;
    weight = take_halves(workspace, numbers + unit);
    // A task's last depth may reach one unit beyond its channels.
    if (weight) std::memset(weight + numbers, 0, unit * sizeof(uint16_t));
  }

  void set(int64_t k, int64_t channel, int64_t column, float value) const {
    weight[k * channels * columns + paired(channel, column, columns)] =
        to_bfloat16(value);
  }

  void multiply(const Task& task, int64_t k, const float* u, int64_t width,
                int64_t steps, const Buffers& buffers, float* to) const {
    round_rows(u, width, steps, task.width(), buffers.u);
    uint16_t* right = weight + (k * channels + task.begin) * columns;
    ::multiply(buffers.u, {right, columns}, {to, columns}, steps, task.width(),
               columns);
  }
};

#endif

// Both projections as the products read them.
template <typename Projection>
struct Weights {
  const InnerArgs& args;
  const int64_t channels, columns;
  const Projection x_proj;
  float* dt_proj;  // [direction][rank][channel]

  Weights(const InnerArgs& args, Workspace& workspace)
      : args(args),
        channels(round_up(args.conv.D, UNIT)),
        columns(num_columns(args)),
        x_proj(args, workspace) {
    dt_proj = workspace.take(args.conv.K * args.rank * channels);
  }

  void load(int64_t k, int64_t unit) const {
    const int64_t D = args.conv.D, R = args.rank, P = num_projections(args);
    for (int64_t i = unit * UNIT; i < (unit + 1) * UNIT; ++i) {
      const bool inside = i < D;
      for (int64_t p = 0; p < columns; ++p)
        x_proj.set(k, i, p,
                   inside && p < P ? args.x_proj[(k * P + p) * D + i] : 0.0f);
      for (int64_t r = 0; r < R; ++r)
        dt_proj[(k * R + r) * channels + i] =
            inside ? args.dt_proj[(k * D + i) * R + r] : 0.0f;
    }
  }
};

// A task's convolved channels of a span, and the states of its scan.
template <typename Projection>
struct Slot {
  const InnerArgs& args;
  const Weights<Projection>& weights;
  const Task task;
  const int64_t width;  // of a row of u
  Parts parts;
  ConvBuffers conv;
  ScanBuffers scan;
  typename Projection::Buffers product;
  float* u;             // [step of the span][channel]

  Slot(const InnerArgs& args, const Weights<Projection>& weights, const Task& task,
       int64_t width, Workspace& workspace)
      : args(args),
        weights(weights),
        task(task),
        width(width),
        parts(args, workspace),
        conv(args.conv, width, workspace),
        scan(args.scan, width, workspace),
        product(args, width, workspace),
        u(workspace.take(SPAN * width)) {}

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
    weights.x_proj.multiply(task, k, u, width, steps, product, to);
  }

  // Scan.
  void finish(int64_t k, int64_t begin) {
    const int64_t N = args.scan.N, end = min(begin + SPAN, args.scan.L);
    if (args.projected && task.split == 0) save(k, begin, end - begin);
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
      scan_chunk(args.scan, task, k, chunk, scan, ahead,
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
    project_delta(args, tile, parts.total + step * weights.columns,
                  weights.dt_proj, at.delta);
    const float* input = u + step * width + tile.channel - task.begin;
    for (int64_t t = 0; t < tile.steps; ++t)
      begin_step(args.scan, tile, t, at.delta[t], input + t * width, bias,
                 skip, at);
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

template <typename Projection>
int run(const InnerArgs& args) {
  return for_each_span<false, Weights<Projection>, Slot<Projection>>(args);
}

}  // namespace

EXPORT(mamba_inner)(const InnerArgs* args) {
#if defined(HAS_AMX)
  if (args->conv.x.dtype == BFLOAT16 && has_tiles())
    return run<HalfProjection>(*args);
#endif
  return run<FloatProjection>(*args);
}
