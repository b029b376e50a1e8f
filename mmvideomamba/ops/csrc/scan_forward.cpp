// Forward pass of the selective scan.
#include "scan_chunk.h"

namespace {

INLINE void scan_load_tile(const ScanArgs& args, const Tile& tile,
                           ScanArrays& at) {
  alignas(64) float bias[BLOCK], skip[BLOCK], buffers[2][BLOCK];
  load_tile_parameter(args, tile, args.delta_bias, bias);
  load_tile_parameter(args, tile, args.skip, skip);
  for (int64_t t = 0; t < tile.steps; ++t) {
    const float* raw = read_tile_row(args, tile, args.delta, t, buffers[0]);
    const float* u = read_tile_row(args, tile, args.u, t, buffers[1]);
    scan_begin_step(args, tile, t, raw, u, bias, skip, at);
  }
}

void scan_task(const ScanArgs& args, const Task& task,
               const ScanBuffers& buffers) {
  for (int64_t k = 0; k < args.K; ++k) {
    scan_begin_direction(args, task, k, buffers);
    const bool gated = k == args.K - 1 && args.z.data;
    for (int64_t begin = 0; begin < args.L; begin += CHUNK) {
      const int64_t steps = min(CHUNK, args.L - begin);
      scan_load_bc(args, args.b, k, task.b, begin, steps, buffers.b);
      scan_load_bc(args, args.c, k, task.b, begin, steps, buffers.c);
      const int64_t next = begin + CHUNK;
      Prefetch<4> prefetch;
      prefetch.point(0, args, args.u, k, task.b, next);
      prefetch.point(1, args, args.delta, k, task.b, next);
      prefetch.point(2, args, either(args.sum, args.out), k, task.b, next);
      prefetch.point(3, args, gated ? args.z : args.u, k, task.b, next);
      scan_chunk<EXACT>(args, task, k, begin, buffers, prefetch,
                        [&](const Tile& tile, ScanArrays& at) {
                          scan_load_tile(args, tile, at);
                        });
    }
  }
}

}  // namespace

EXPORT(selective_scan)(const ScanArgs* args) {
  return for_each_task<ScanBuffers>(*args, scan_task);
}
