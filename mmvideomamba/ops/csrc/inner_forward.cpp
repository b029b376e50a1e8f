// Forward pass of a mixer between its outer projections.
#include "amx.h"
#include "inner_spans.h"
#include "scan_chunk.h"

namespace {

// Both projections, x_proj and dt_proj, as the products read them: in float32,
// or for bfloat16 on AMX's tiles.
//
// `load_unit(k, unit)` brings a unit of channels of direction k into the layout
// that the products read. The products are of a span's steps with a task's
// channels.
struct Float32Weights {
  const InnerArgs& args;
  const int64_t channels, columns;
  float* x_proj;   // [direction][channel][column]
  float* dt_proj;  // [direction][rank][channel]

  // What a task needs for the products.
  struct Buffers {
    Buffers(const InnerArgs&, int64_t, Workspace&) {}
  };

  Float32Weights(const InnerArgs& args, Workspace& workspace)
      : args(args),
        channels(round_up(args.conv.D, UNIT)),
        columns(num_columns(args)) {
    x_proj = workspace.take(args.conv.K * channels * columns);
    dt_proj = workspace.take(args.conv.K * args.rank * channels);
  }

  void load_unit(int64_t k, int64_t unit) const {
    const int64_t D = args.conv.D, R = args.rank, P = num_projections(args);
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

  // A task's part of the projections of u; `to` holds zeros.
  void project(const Task& task, int64_t k, const Matrix<const float>& u,
               int64_t steps, const Buffers&, float* to) const {
    const float* weight = x_proj + (k * channels + task.begin) * columns;
    for (int64_t i = 0; i < task.width(); i += BLOCK)
      add_product({u.data + i, u.row, 1}, {weight + i * columns, columns},
                  {to, columns}, steps, min(BLOCK, task.width() - i), columns);
  }

  // Delta of a task's channels before its bias, from projections.
  void project_delta(const Task& task, int64_t k, const float* projected,
                     int64_t steps, const Buffers&,
                     const Matrix<float>& delta) const {
    const float* weight = dt_proj + k * args.rank * channels + task.begin;
    for (int64_t i = 0; i < task.width(); i += BLOCK)
      set_product({projected, columns, 1}, {weight + i, channels},
                  {delta.data + i, delta.row}, steps, args.rank,
                  min(BLOCK, task.width() - i));
  }
};

#if defined(HAS_AMX)

struct Bfloat16Weights {
  const InnerArgs& args;
  const int64_t channels, columns, ranks;
  uint16_t* x_proj;   // [direction][channel][column], VNNI layout
  uint16_t* dt_proj;  // [direction][rank][channel], VNNI layout

  struct Buffers {
    Bfloat16Matrix u, dt;

    Buffers(const InnerArgs& args, int64_t width, Workspace& workspace) {
      u.row = round_up(width, AMX_DEPTH);
      u.data = take_bfloat16(workspace, SPAN * u.row);
      dt.row = round_up(args.rank, AMX_DEPTH);
      dt.data = take_bfloat16(workspace, SPAN * dt.row);
    }
  };

  Bfloat16Weights(const InnerArgs& args, Workspace& workspace)
      : args(args),
        channels(round_up(args.conv.D, UNIT)),
        columns(num_columns(args)),
        ranks(round_up(args.rank, AMX_DEPTH)) {
    const int64_t numbers = args.conv.K * channels * columns;
    const int64_t unit = UNIT * columns;
    x_proj = take_bfloat16(workspace, numbers + unit);
    dt_proj = take_bfloat16(workspace, args.conv.K * ranks * channels);
    // A task's last depth may reach one unit beyond its channels.
    if (x_proj) std::memset(x_proj + numbers, 0, unit * sizeof(uint16_t));
  }

  void load_unit(int64_t k, int64_t unit) const {
    const int64_t D = args.conv.D, R = args.rank, P = num_projections(args);
    const int64_t channel = unit * UNIT, inside = min(UNIT, D - channel);
    uint16_t* x_to = x_proj + (k * channels + channel) * columns;
    for (int64_t p = 0; p < columns; ++p)
      round_to_vnni(args.x_proj + (k * P + p) * D + channel, p < P ? inside : 0,
                    UNIT, x_to + 2 * p, 2 * columns);
    uint16_t* dt_to = dt_proj + k * ranks * channels + 2 * channel;
    for (int64_t i = 0; i < UNIT; ++i)
      round_to_vnni(args.dt_proj + (k * D + channel + i) * R,
                    i < inside ? R : 0, ranks, dt_to + 2 * i, 2 * channels);
  }

  void project(const Task& task, int64_t k, const Matrix<const float>& u,
               int64_t steps, const Buffers& buffers, float* to) const {
    round_to_bfloat16(u, steps, task.width(), buffers.u);
    uint16_t* weight = x_proj + (k * channels + task.begin) * columns;
    set_product_amx(buffers.u, {weight, columns}, {to, columns}, steps,
                    task.width(), columns);
  }

  void project_delta(const Task& task, int64_t k, const float* projected,
                     int64_t steps, const Buffers& buffers,
                     const Matrix<float>& delta) const {
    round_to_bfloat16({projected, columns}, steps, args.rank, buffers.dt);
    uint16_t* weight = dt_proj + k * ranks * channels + 2 * task.begin;
    set_product_amx(buffers.dt, {weight, channels}, delta, steps, args.rank,
                    task.width());
  }
};

#endif

// A task's convolved channels of a span, and the states of its scan. DEGREE is
// that of the decay's `EXP2`.
template <typename Weights, int DEGREE>
struct InnerTask {
  const InnerArgs& args;
  const Weights& weights;
  const Task task;
  const int64_t width;  // of a row of u
  Parts parts;
  ConvBuffers conv;
  ScanBuffers scan;
  typename Weights::Buffers products;
  float *u, *delta;  // [step of the span][channel]

  InnerTask(const InnerArgs& args, const Weights& weights, const Task& task,
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
    conv_load_parameters(args.conv, task, k, conv);
    conv.x.clear();
    scan_begin_direction(args.scan, task, k, scan);
  }

  // Convolve, and multiply with this task's channels of x_proj.
  void contribute(int64_t k, int64_t begin, float* to) {
    const int64_t steps = min(SPAN, args.conv.L - begin);
    for (int64_t t = 0; t < steps; ++t)
      conv_step(args.conv, task, k, begin + t, conv, u + t * width);
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
      pick_bc(b, weights.columns, steps, N, scan.b);
      pick_bc(b + N, weights.columns, steps, N, scan.c);
      const int64_t next = chunk + CHUNK;
      Prefetch<3> prefetch;
      prefetch.point(0, args.scan, args.conv.x, k, task.b, chunk + SPAN);
      prefetch.point(1, args.scan, either(args.scan.sum, args.scan.out), k,
                     task.b, next);
      prefetch.point(2, args.scan, gated ? args.scan.z : args.scan.out, k,
                     task.b, next);
      scan_chunk<DEGREE>(
          args.scan, task, k, chunk, scan, prefetch,
          [&](const Tile& tile, ScanArrays& at) { load_tile(tile, step, at); });
    }
  }

  void end(int64_t) {}

 private:
  // `step` of the span is the tile's first.
  void load_tile(const Tile& tile, int64_t step, ScanArrays& at) const {
    alignas(64) float bias[BLOCK], skip[BLOCK];
    load_tile_parameter(args.scan, tile, args.scan.delta_bias, bias);
    load_tile_parameter(args.scan, tile, args.scan.skip, skip);
    for (int64_t t = 0; t < tile.steps; ++t) {
      const int64_t row = (step + t) * width + tile.channel - task.begin;
      scan_begin_step(args.scan, tile, t, delta + row, u + row, bias, skip, at);
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
int inner_forward(const InnerArgs& args) {
  return for_each_span<false, Weights, InnerTask<Weights, DEGREE>>(args);
}

}  // namespace

EXPORT(mamba_inner)(const InnerArgs* args) {
#if defined(HAS_AMX)
  if (args->conv.x.dtype == BFLOAT16 && has_amx())
    return inner_forward<Bfloat16Weights, SHORT>(*args);
#endif
  return inner_forward<Float32Weights, EXACT>(*args);
}
