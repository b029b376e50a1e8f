// Backward pass of the selective scan.
#include "scan_grad_chunk.h"

namespace {

INLINE void load_tile(const ScanArgs& args, const Tile& tile, Working& at,
                      float* grad_skip) {
  alignas(64) float bias[BLOCK], skip[BLOCK], buffers[4][BLOCK];
  load_parameter(args, tile, args.delta_bias, bias);
  load_parameter(args, tile, args.skip, skip);
  for (int64_t t = 0; t < tile.steps; ++t) {
    const float* raw = read_row(args, tile, args.delta, t, buffers[0]);
    const float* u = read_row(args, tile, args.u, t, buffers[1]);
    const float* grad_out = read_row(args, tile, args.out, t, buffers[2]);
    const float* gate =
        args.z.data ? read_row(args, tile, args.z, t, buffers[3]) : nullptr;
    begin_step(args, tile, t, raw, u, grad_out, gate, bias, skip, at,
               grad_skip);
  }
}

INLINE void store_tile(const ScanArgs& args, const Tile& tile,
                       const Working& at, float* grad_bias) {
  alignas(64) float skip[BLOCK], buffers[2][BLOCK];
  load_parameter(args, tile, args.skip, skip);
  for (int64_t t = 0; t < tile.steps; ++t) {
    float* grad_u = begin_row(args, tile, args.grad_u, t, buffers[0]);
    float* grad_delta = begin_row(args, tile, args.grad_delta, t, buffers[1]);
    finish_step(args, tile, t, skip, at, grad_bias, grad_u, grad_delta);
    finish_row(args, tile, args.grad_u, t, grad_u);
    finish_row(args, tile, args.grad_delta, t, grad_delta);
  }
}

// The chunk's gradients of B or C: add up the lanes.
void store_projections(const ScanArgs& args, const Task& task, int64_t k,
                       int64_t begin, int64_t steps, const float* lanes,
                       float* to) {
  const int64_t padded = round_up(args.N, STATES);
  to += ((task.split * args.K + k) * args.B + task.b) * args.L * args.N;
  for (int64_t t = 0; t < steps; ++t) {
    const int64_t token = token_at(args.order, args.L, k, begin + t);
    for (int64_t n = 0; n < args.N; ++n)
      to[token * args.N + n] =
          sum_lanes(load(lanes + (t * padded + n) * LANES));
  }
}

void differentiate(const ScanArgs& args, const Task& task,
                   const GradBuffers& buffers) {
  for (int64_t k = 0; k < args.K; ++k) {
    begin_direction(args, task, k, buffers);
    for (int64_t chunk = num_chunks(args) - 1; chunk >= 0; --chunk) {
      const int64_t begin = chunk * CHUNK;
      const int64_t steps = min(CHUNK, args.L - begin);
      load_projections(args, args.b, k, task.b, begin, steps, buffers.b);
      load_projections(args, args.c, k, task.b, begin, steps, buffers.c);
      const int64_t next = begin < CHUNK ? 0 : begin - CHUNK;
      Ahead<4> inputs;
      inputs.point(0, args, args.u, k, task.b, next);
      inputs.point(1, args, args.delta, k, task.b, next);
      inputs.point(2, args, args.out, k, task.b, next);
      inputs.point(3, args, either(args.z, args.u), k, task.b, next);
      Ahead<3> outputs;
      outputs.point(0, args, args.grad_u, k, task.b, next);
      outputs.point(1, args, args.grad_delta, k, task.b, next);
      outputs.point(2, args, either(args.sum, args.u), k, task.b, next);
      differentiate_chunk(
          args, task, k, begin, buffers, inputs, outputs,
          [&](const Tile& tile, Working& at, float* grad_skip) {
            load_tile(args, tile, at, grad_skip);
          },
          [&](const Tile& tile, const Working& at, float* grad_bias) {
            store_tile(args, tile, at, grad_bias);
          });
      store_projections(args, task, k, begin, steps, buffers.grad_b,
                        args.grad_b);
      store_projections(args, task, k, begin, steps, buffers.grad_c,
                        args.grad_c);
    }
    store_parameters(args, task, k, buffers);
  }
}

}  // namespace

EXPORT(selective_scan_backward)(const ScanArgs* args) {
  return for_each_task<GradBuffers>(*args, differentiate);
}
