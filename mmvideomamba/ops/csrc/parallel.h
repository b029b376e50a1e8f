// The division of the work among threads, and the memory of each.
#pragma once

#include <cstdlib>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "partition.h"

namespace {

// The channels [begin, end) of one batch element: one task.
struct Task {
  int64_t b, split, begin, end;
  int64_t width() const { return end - begin; }
};

template <typename Args>
INLINE Task task_at(const Args& args, int64_t index) {
  const int64_t units = ceil_div(args.D, UNIT);
  Task task;
  task.b = index / args.splits;
  task.split = index % args.splits;
  task.begin = units * task.split / args.splits * UNIT;
  task.end = min(units * (task.split + 1) / args.splits * UNIT, args.D);
  return task;
}

// Channels that a buffer of any of these tasks has room for.
template <typename Args>
INLINE int64_t max_task_width(const Args& args) {
  const int64_t units = ceil_div(args.D, UNIT);
  return min(units / args.splits + 1, units) * UNIT;
}

// A stack of float buffers, each aligned to a cache line, cut from one
// allocation. Without memory it only counts what is needed.
struct Workspace {
  float* base;
  int64_t used = 0;

  float* take(int64_t floats) {
    float* buffer = base ? base + used : nullptr;
    used += round_up(floats, 16);
    return buffer;
  }
};

// Whether each scan order has every token exactly once.
INLINE bool is_permutation(const int64_t* order, int64_t K, int64_t L,
                           char* seen) {
  for (int64_t k = 0; k < K; ++k, order += L) {
    std::memset(seen, 0, L);
    for (int64_t t = 0; t < L; ++t) {
      if (order[t] < 0 || order[t] >= L || seen[order[t]]) return false;
      seen[order[t]] = 1;
    }
  }
  return true;
}

// The scan orders as they were when they were checked: another thread may
// change the tensor while a kernel runs.
class CheckedOrder {
 public:
  CheckedOrder(const int64_t* order, int64_t K, int64_t L) {
    if (!order) return;
    const size_t bytes = K * L * sizeof(int64_t);
    copy = static_cast<int64_t*>(std::malloc(bytes));
    char* seen = static_cast<char*>(std::malloc(L));
    if (copy && seen) {
      std::memcpy(copy, order, bytes);
      status = is_permutation(copy, K, L, seen) ? OK : BAD_ORDER;
    } else {
      status = OUT_OF_MEMORY;
    }
    std::free(seen);
  }
  CheckedOrder(const CheckedOrder&) = delete;
  ~CheckedOrder() { std::free(copy); }

  int64_t* copy = nullptr;
  Status status = OK;
};

// While one lives, its thread rounds denormal numbers to zero. A state that
// decays without input ends in them, and each costs over a hundred cycles.
class FlushDenormals {
 public:
#if defined(__SSE2__)
  FlushDenormals() : saved(_mm_getcsr()) {
    _mm_setcsr(static_cast<unsigned>(saved) | 0x8040);
  }
  ~FlushDenormals() { _mm_setcsr(static_cast<unsigned>(saved)); }
#elif defined(__aarch64__)
  FlushDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(saved));
    asm volatile("msr fpcr, %0" ::"r"(saved | 1 << 24));
  }
  ~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(saved)); }
#endif

 private:
  uint64_t saved = 0;
};

// Call body(args, task, buffers) for every task, in parallel. `Buffers` is
// built from (args, widest task, workspace); each thread has its own.
template <typename Buffers, typename Args, typename Body>
int for_each_task(Args args, Body body) {
  const CheckedOrder order(args.order, args.K, args.L);
  if (order.status != OK) return order.status;
  args.order = order.copy;

  Workspace counter{nullptr};
  const int64_t width = max_task_width(args);
  Buffers(args, width, counter);
  void* memory = nullptr;
  if (posix_memalign(&memory, 64, args.threads * counter.used * 4))
    return OUT_OF_MEMORY;

  const int64_t tasks = args.B * args.splits;
#pragma omp parallel num_threads(args.threads)
  {
#if defined(_OPENMP)
    const int64_t thread = omp_get_thread_num();
#else
    const int64_t thread = 0;
#endif
    Workspace workspace{static_cast<float*>(memory) + thread * counter.used};
    Buffers buffers(args, width, workspace);
    const FlushDenormals flush;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < tasks; ++i) body(args, task_at(args, i), buffers);
  }
  std::free(memory);
  return OK;
}

}  // namespace
