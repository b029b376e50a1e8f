// Backward pass of the selective scan.
#include "scan_grad_chunk.h"

namespace {

INLINE void scan_grad_load_tile(const ScanArgs& args, const Tile& tile,
                                ScanGradArrays& at, float* grad_skip) {
  alignas(64) float bias[BLOCK], skip[BLOCK], buffers[4][BLOCK];
  load_tile_parameter(args, tile, args.delta_bias, bias);
  load_tile_parameter(args, tile, args.skip, skip);
  for (int64_t t = 0; t < tile.steps; ++t) {
    const float* raw = read_tile_row(args, tile, args.delta, t, buffers[0]);
    const float* u = read_tile_row(args, tile, args.u, t, buffers[1]);
    const float* grad_out = read_tile_row(args, tile, args.out, t, buffers[2]);
    const float* gate = args.z.data
                            ? read_tile_row(args, tile, args.z, t, buffers[3])
                            : nullptr;
    scan_grad_begin_step(args, tile, t, raw, u, grad_out, gate, bias, skip, at,
                         grad_skip);
  }
}

INLINE void scan_grad_store_tile(const ScanArgs& args, const Tile& tile,
                                 const ScanGradArrays& at, float* grad_bias) {
  alignas(64) float skip[BLOCK], buffers[2][BLOCK];
  load_tile_parameter(args, tile, args.skip, skip);
  for (int64_t t = 0; t < tile.steps; ++t) {
    float* grad_u = begin_tile_row(args, tile, args.grad_u, t, buffers[0]);
    float* grad_delta =
        begin_tile_row(args, tile, args.grad_delta, t, buffers[1]);
    scan_grad_finish_step(args, tile, t, skip, at, grad_bias, grad_u,
                          grad_delta);
    finish_tile_row(args, tile, args.grad_u, t, grad_u);
    finish_tile_row(args, tile, args.grad_delta, t, grad_delta);
  }
}

// The chunk's gradients of B or C: reduce the lanes.
void scan_grad_store_bc(const ScanArgs& args, const Task& task, int64_t k,
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

void scan_grad_task(const ScanArgs& args, const Task& task,
                    const ScanGradBuffers& buffers) {
  for (int64_t k = 0; k < args.K; ++k) {
    scan_grad_begin_direction(args, task, k, buffers);
    for (int64_t chunk = num_chunks(args) - 1; chunk >= 0; --chunk) {
      const int64_t begin = chunk * CHUNK;
      const int64_t steps = min(CHUNK, args.L - begin);
      scan_load_bc(args, args.b, k, task.b, begin, steps, buffers.b);
      scan_load_bc(args, args.c, k, task.b, begin, steps, buffers.c);
      const int64_t next = begin < CHUNK ? 0 : begin - CHUNK;
      Prefetch<4> inputs;
      inputs.point(0, args, args.u, k, task.b, next);
      inputs.point(1, args, args.delta, k, task.b, next);
      inputs.point(2, args, args.out, k, task.b, next);
      inputs.point(3, args, either(args.z, args.u), k, task.b, next);
      Prefetch<3> outputs;
      outputs.point(0, args, args.grad_u, k, task.b, next);
      outputs.point(1, args, args.grad_delta, k, task.b, next);
      outputs.point(2, args, either(args.sum, args.u), k, task.b, next);
      scan_grad_chunk(
          args, task, k, begin, buffers, inputs, outputs,
          [&](const Tile& tile, ScanGradArrays& at, float* grad_skip) {
            scan_grad_load_tile(args, tile, at, grad_skip);
          },
          [&](const Tile& tile, const ScanGradArrays& at, float* grad_bias) {
            scan_grad_store_tile(args, tile, at, grad_bias);
          });
      scan_grad_store_bc(args, task, k, begin, steps, buffers.grad_b,
                         args.grad_b);
      scan_grad_store_bc(args, task, k, begin, steps, buffers.grad_c,
                         args.grad_c);
    }
    scan_grad_store_parameters(args, task, k, buffers);
  }
}

}  // namespace

EXPORT(selective_scan_backward)(const ScanArgs* args) {
  return for_each_task<ScanGradBuffers>(*args, scan_grad_task);
}
