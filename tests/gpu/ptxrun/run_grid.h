// Runs the programs of a launch, several at a time. Comes after the
// translated kernel, which defines
//
//     struct Warp             registers, and `resume`, the barrier to go on at
//     int run_warp(program, warp, number)    to the next barrier, -1: the end
#pragma once

#include <cstdlib>
#include <memory>

struct FreeWarps {
  void operator()(Warp* warps) const { std::free(warps); }
};

// Registers start with a value that is unlikely to be right by chance.
static std::unique_ptr<Warp, FreeWarps> make_warps(int count) {
  constexpr size_t ALIGNMENT = 256;
  const size_t size = sizeof(Warp) * count;
  void* memory =
      aligned_alloc(ALIGNMENT, (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
  memset(memory, 0xcd, size);
  Warp* warps = static_cast<Warp*>(memory);
  for (int i = 0; i < count; i++) warps[i].resume = 0;
  return std::unique_ptr<Warp, FreeWarps>(warps);
}

// Warps take turns from barrier to barrier, each time from another first one.
static void run_program(Program& p) {
  const int count = p.launch->warps;
  const auto warps = make_warps(count);
  std::vector<int> waits(count, 0);
  uint32_t random = hash(p.number * 7919 + p.launch->seed);
  for (bool done = false; !done && !p.errors;) {
    done = true;
    bool ended = false;
    int barrier = 0;
    const int first = count > 1 ? (random = hash(random)) % count : 0;
    for (int i = 0; i < count; i++) {
      const int warp = (first + i) % count;
      if (waits[warp] >= 0) waits[warp] = run_warp(p, warps.get()[warp], warp);
      if (waits[warp] < 0) {
        ended = true;
        continue;
      }
      done = false;
      if (barrier > 0 && barrier != waits[warp])
        fail(p, 0, "warps wait at different barriers");
      barrier = waits[warp];
    }
    if (ended && !done) fail(p, 0, "a warp ended, others wait at a barrier");
    p.epoch++;
    for (uint32_t& epoch : p.warp_epochs) epoch++;
  }
}

extern "C" void run_kernel(const Launch* launch, Report* report) {
  const int32_t* grid = launch->grid;
  const long programs = (long)grid[0] * grid[1] * grid[2];
  bool failed = false;
  uint64_t instructions = 0, replica_bytes_differ = 0;
#pragma omp parallel for num_threads(launch->threads) schedule(dynamic, 4) \
    reduction(+ : instructions, replica_bytes_differ)
  for (long number = 0; number < programs; number++) {
    if (failed) continue;
    Program p(launch, number);
    run_program(p);
    instructions += p.instructions;
    replica_bytes_differ += p.replica_bytes_differ;
    if (!p.errors) continue;
#pragma omp critical
    if (!failed) {
      failed = true;
      report->errors = p.errors;
      snprintf(report->message, MESSAGE, "program (%d, %d, %d), %.400s",
               p.id[0], p.id[1], p.id[2], p.message);
    }
  }
  report->instructions = instructions;
  report->replica_bytes_differ = replica_bytes_differ;
}
