// Backward pass of a mixer between its outer projections: everything of a
// span is computed again from x and the saved projections.
#include "inner_spans.h"
#include "scan_grad_chunk.h"

namespace {

// Both projections as the products read them.
struct InnerGradWeights {
  const InnerArgs& args;
  int64_t channels, columns;
  int64_t ranks;        // whole vectors
  float* x_proj;        // [direction][projection][channel]
  float* dt_proj;       // [direction][rank][channel]
  float* dt_proj_rows;  // [direction][channel][rank]

  InnerGradWeights(const InnerArgs& args, Workspace& workspace)
      : args(args),
        channels(round_up(args.conv.D, UNIT)),
        columns(num_columns(args)),
        ranks(round_up(args.rank, LANES)) {
    x_proj = workspace.take(args.conv.K * num_projections(args) * channels);
    dt_proj = workspace.take(args.conv.K * args.rank * channels);
    dt_proj_rows = workspace.take(args.conv.K * channels * ranks);
  }

  void load_unit(int64_t k, int64_t unit) const {
    const int64_t D = args.conv.D, R = args.rank, P = num_projections(args);
    for (int64_t i = unit * UNIT; i < (unit + 1) * UNIT; ++i) {
      const bool inside = i < D;
      for (int64_t p = 0; p < P; ++p)
        x_proj[(k * P + p) * channels + i] =
            inside ? args.x_proj[(k * P + p) * D + i] : 0.0f;
      for (int64_t r = 0; r < ranks; ++r) {
        const float weight =
            inside && r < R ? args.dt_proj[(k * D + i) * R + r] : 0.0f;
        dt_proj_rows[(k * channels + i) * ranks + r] = weight;
        if (r < R) dt_proj[(k * R + r) * channels + i] = weight;
      }
    }
  }
};

// A task's channels of a span, their gradients, and the sums of the direction.
struct InnerGradTask {
  const InnerArgs& args;
  const InnerGradWeights& weights;
  const Task task;
  const int64_t width, halo;  // of the rows below; W - 1
  Parts parts;                // of the gradients of the projections
  ConvBuffers conv;
  ScanGradBuffers scan;
  const float** x;      // [step], from `halo` before the span on
  const float** grads;  // [step], rows of `grad` to `halo` behind the span
  float* x_rows;        // those that need a buffer
  float* u;             // [step][channel]
  float* grad;          // [step][channel] of u, then of the convolution's sums
  float* projected;     // [step][column]
  float* grad_x_proj;   // [projection][channel]
  float* grad_dt_proj;  // [rank][channel]

  InnerGradTask(const InnerArgs& args, const InnerGradWeights& weights,
                const Task& task, int64_t width, Workspace& workspace)
      : args(args),
        weights(weights),
        task(task),
        width(width),
        halo(args.conv.W - 1),
        parts(args, workspace),
        conv(args.conv, width, workspace),
        scan(args.scan, width, workspace) {
    x = reinterpret_cast<const float**>(workspace.take(2 * (SPAN + halo)));
    grads = reinterpret_cast<const float**>(workspace.take(2 * (SPAN + halo)));
    x_rows = workspace.take((SPAN + halo) * width);
    u = workspace.take(SPAN * width);
    grad = workspace.take((SPAN + halo) * width);
    projected = workspace.take(SPAN * weights.columns);
    grad_x_proj = workspace.take(gradient_rows(num_projections(args)) * width);
    grad_dt_proj = workspace.take(gradient_rows(args.rank) * width);
  }

  void begin(int64_t k) {
    conv_load_parameters(args.conv, task, k, conv);
    conv_grad_clear(conv);
    conv.x.clear();
    scan_grad_begin_direction(args.scan, task, k, scan);
    for (int64_t t = 0; t < SPAN + halo; ++t) grads[t] = grad + t * width;
    // Beyond the last step too.
    std::memset(grad, 0, (SPAN + halo) * width * sizeof(float));
    std::memset(grad_x_proj, 0,
                gradient_rows(num_projections(args)) * width * sizeof(float));
    std::memset(grad_dt_proj, 0,
                gradient_rows(args.rank) * width * sizeof(float));
  }

  // Gradients of the scan; those of dt, B and C sum over channels.
  void contribute(int64_t k, int64_t begin, float* to) {
    const int64_t N = args.scan.N, columns = weights.columns;
    const int64_t end = min(begin + SPAN, args.scan.L);
    replay_convolution(k, begin, end);
    load_projected(k, begin, end);
    const int64_t last = (end - 1) / CHUNK * CHUNK;
    for (int64_t chunk = last; chunk >= begin; chunk -= CHUNK) {
      const int64_t step = chunk - begin, steps = min(CHUNK, end - chunk);
      const float* b = projected + step * columns + args.rank;
      pick_bc(b, columns, steps, N, scan.b);
      pick_bc(b + N, columns, steps, N, scan.c);
      const int64_t next = chunk < CHUNK ? 0 : chunk - CHUNK;
      Prefetch<3> inputs;
      inputs.point(0, args.scan, args.scan.out, k, task.b, next);
      inputs.point(1, args.scan, args.scan.z, k, task.b, next);
      inputs.point(2, args.scan, args.conv.x, k, task.b,
                   chunk < SPAN ? 0 : chunk - SPAN);
      Prefetch<2> outputs;
      outputs.point(0, args.scan, either(args.scan.sum, args.scan.z), k, task.b,
                    next);
      outputs.point(1, args.scan, either(args.conv.sum, args.conv.x), k, task.b,
                    next);
      scan_grad_chunk(
          args.scan, task, k, chunk, scan, inputs, outputs,
          [&](const Tile& tile, ScanGradArrays& at, float* grad_skip) {
            load_grad_tile(tile, step, at, grad_skip);
          },
          [&](const Tile& tile, const ScanGradArrays& at, float* grad_bias) {
            store_grad_tile(tile, step, at, grad_bias, to + step * columns);
          });
      const int64_t padded = round_up(N, STATES);
      float* grad_b = to + step * columns + args.rank;
      for (int64_t t = 0; t < steps; ++t)
        for (int64_t n = 0; n < N; ++n) {
          const int64_t lanes = (t * padded + n) * LANES;
          grad_b[t * columns + n] = sum_lanes(load(scan.grad_b + lanes));
          grad_b[t * columns + N + n] = sum_lanes(load(scan.grad_c + lanes));
        }
    }
  }

  // Back through x_proj and the convolution. Products take whole blocks of
  // MICRO_ROWS rows; those beyond the last step must stay zero in `grad`, as
  // the steps before read them. They do: of `parts.total` they are zero.
  void finish(int64_t k, int64_t begin) {
    const int64_t P = num_projections(args), columns = weights.columns;
    const int64_t steps = min(SPAN, args.conv.L - begin);
    const float* x_proj =
        weights.x_proj + k * P * weights.channels + task.begin;
    for (int64_t i = 0; i < task.width(); i += BLOCK) {
      const int64_t block = min(BLOCK, task.width() - i);
      add_product({parts.total, columns, 1}, {x_proj + i, weights.channels},
                  {grad + i, width}, steps, P, block);
      add_product({parts.total, 1, columns}, {u + i, width},
                  {grad_x_proj + i, width}, P, steps, block);
    }
    for (int64_t t = 0; t < steps; ++t)
      conv_grad_step(args.conv, task, x + t, grad + t * width, grad + t * width,
                     conv);
    for (int64_t t = 0; t < steps; ++t)
      conv_grad_store_x(args.conv, task, k, begin + t, grads + t, conv);
    // The span before this one needs them.
    std::memmove(grad + SPAN * width, grad, halo * width * sizeof(float));
  }

  void end(int64_t k) {
    scan_grad_store_parameters(args.scan, task, k, scan);
    conv_grad_store_parameters(args.conv, task, k, conv);
    const int64_t at = task.b * args.conv.K + k;
    store_weight(grad_x_proj, num_projections(args), at, args.grad_x_proj);
    store_weight(grad_dt_proj, args.rank, at, args.grad_dt_proj);
  }

 private:
  // Rows of a weight's gradient: whole blocks of MICRO_ROWS.
  static int64_t gradient_rows(int64_t rows) {
    return round_up(rows, MICRO_ROWS);
  }

  void replay_convolution(int64_t k, int64_t begin, int64_t end) {
    for (int64_t t = begin - halo; t < end; ++t) {
      const int64_t row = t - begin + halo;
      x[row] = t < 0 ? conv.x.zeros
                     : read_row(args.conv.x,
                                conv_offset(args.conv, args.conv.x, task, k, t),
                                task.width(), width, x_rows + row * width);
    }
    for (int64_t t = 0; t < end - begin; ++t)
      for (int64_t i = 0; i < task.width(); i += LANES) {
        store(u + t * width + i, silu(conv_sum(conv, x + t, i)));
      }
  }

  void load_projected(int64_t k, int64_t begin, int64_t end) {
    const int64_t P = num_projections(args), L = args.conv.L;
    const float* from = args.projected + (k * args.conv.B + task.b) * L * P;
    for (int64_t t = begin; t < end; ++t)
      std::memcpy(projected + (t - begin) * weights.columns,
                  from + token_at(args.conv.order, L, k, t) * P,
                  P * sizeof(float));
  }

  // `step` of the span is the tile's first.
  void load_grad_tile(const Tile& tile, int64_t step, ScanGradArrays& at,
                      float* grad_skip) const {
    alignas(64) float bias[BLOCK], skip[BLOCK], buffers[2][BLOCK];
    load_tile_parameter(args.scan, tile, args.scan.delta_bias, bias);
    load_tile_parameter(args.scan, tile, args.scan.skip, skip);
    const float* dt_proj =
        weights.dt_proj + tile.k * args.rank * weights.channels + tile.channel;
    set_product({projected + step * weights.columns, weights.columns, 1},
                {dt_proj, weights.channels}, {at.delta[0], BLOCK}, tile.steps,
                args.rank, tile.padded());
    const float* input = u + step * width + tile.channel - task.begin;
    for (int64_t t = 0; t < tile.steps; ++t) {
      const float* grad_out =
          read_tile_row(args.scan, tile, args.scan.out, t, buffers[0]);
      const float* gate =
          read_tile_row(args.scan, tile, args.scan.z, t, buffers[1]);
      scan_grad_begin_step(args.scan, tile, t, at.delta[t], input + t * width,
                           grad_out, gate, bias, skip, at, grad_skip);
    }
  }

  // Gradients of u to `grad`, those of delta through dt_proj to `to`.
  void store_grad_tile(const Tile& tile, int64_t step, const ScanGradArrays& at,
                       float* grad_bias, float* to) const {
    alignas(64) float skip[BLOCK];
    // Zeros beyond the last step make zeros of the same rows of `to`.
    alignas(64) Block grad_delta = {};
    load_tile_parameter(args.scan, tile, args.scan.skip, skip);
    const int64_t offset = tile.channel - task.begin;
    for (int64_t t = 0; t < tile.steps; ++t)
      scan_grad_finish_step(args.scan, tile, t, skip, at, grad_bias,
                            grad + (step + t) * width + offset, grad_delta[t]);
    const int64_t channel = tile.k * weights.channels + tile.channel;
    add_product({grad_delta[0], BLOCK, 1},
                {weights.dt_proj_rows + channel * weights.ranks, weights.ranks},
                {to, weights.columns}, tile.steps, tile.padded(),
                weights.ranks);
    add_product({projected + step * weights.columns, 1, weights.columns},
                {grad_delta[0], BLOCK}, {grad_dt_proj + offset, width},
                args.rank, tile.steps, tile.padded());
  }

  void store_weight(const float* from, int64_t rows, int64_t at,
                    float* to) const {
    to += at * rows * args.conv.D + task.begin;
    for (int64_t i = 0; i < rows; ++i)
      std::memcpy(to + i * args.conv.D, from + i * width,
                  task.width() * sizeof(float));
  }
};

}  // namespace

EXPORT(mamba_inner_backward)(const InnerArgs* args) {
  return for_each_span<true, InnerGradWeights, InnerGradTask>(*args);
}
