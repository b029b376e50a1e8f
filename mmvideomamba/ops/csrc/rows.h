// Rows of tokens between memory of any dtype and blocks of float32, and the
// division of the work among threads.
#pragma once

#include <cstdlib>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "abi.h"
#include "vector.h"

namespace {

// Channels are processed in blocks whose working set stays in the L1 cache.
constexpr int64_t BLOCK = 64;

INLINE int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

INLINE int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

INLINE int64_t token_at(const int64_t* order, int64_t L, int64_t k,
                        int64_t t) {
  return order ? order[k * L + t] : t;
}

INLINE int64_t row_offset(const Rows& rows, int64_t k, int64_t b, int64_t l) {
  return k * rows.stride_k + b * rows.stride_b + l * rows.stride_l;
}

INLINE float from_bfloat16(uint16_t half) {
  const uint32_t wide = static_cast<uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

// Read `n` numbers from `offset`; fill up to `width`, a multiple of LANES,
// with zeros.
INLINE void load_row(const Rows& rows, int64_t offset, int64_t n,
                     int64_t width, float* to) {
  if (rows.dtype == FLOAT32) {
    const float* from = static_cast<const float*>(rows.data) + offset;
    std::memcpy(to, from, n * sizeof(float));
  } else {
    const uint16_t* from = static_cast<const uint16_t*>(rows.data) + offset;
    for (int64_t i = 0; i < n; ++i) to[i] = from_bfloat16(from[i]);
  }
  for (int64_t i = n; i < width; ++i) to[i] = 0.0f;
}

// Round to nearest even; a NaN stays one.
INLINE uint16_t to_bfloat16(float value) {
  uint32_t wide;
  std::memcpy(&wide, &value, 4);
  const uint32_t rounded = (wide + 0x7fff + ((wide >> 16) & 1)) >> 16;
  return value == value ? rounded : 0x7fc0;
}

INLINE void store_row(const Rows& rows, int64_t offset, int64_t n,
                      const float* from) {
  if (rows.dtype == FLOAT32) {
    float* to = static_cast<float*>(rows.data) + offset;
    std::memcpy(to, from, n * sizeof(float));
  } else {
    uint16_t* to = static_cast<uint16_t*>(rows.data) + offset;
    for (int64_t i = 0; i < n; ++i) to[i] = to_bfloat16(from[i]);
  }
}

// Rows of whole vectors of float32 need no buffer.
INLINE bool in_place(const Rows& rows, int64_t n) {
  return rows.dtype == FLOAT32 && n % LANES == 0;
}

// The row at `offset` as float32: itself, or in `buffer`.
INLINE const float* read_row(const Rows& rows, int64_t offset, int64_t n,
                             int64_t width, float* buffer) {
  if (in_place(rows, n)) return static_cast<const float*>(rows.data) + offset;
  load_row(rows, offset, n, width, buffer);
  return buffer;
}

// Where to write a row of float32 before `finish_row`.
INLINE float* begin_row(const Rows& rows, int64_t offset, int64_t n,
                        float* buffer) {
  return in_place(rows, n) ? static_cast<float*>(rows.data) + offset : buffer;
}

INLINE void finish_row(const Rows& rows, int64_t offset, int64_t n,
                       const float* row) {
  if (!in_place(rows, n)) store_row(rows, offset, n, row);
}

// The channels [begin, end) of one batch element: one task.
struct Task {
  int64_t b, split, begin, end;
  int64_t width() const { return end - begin; }
};

template <typename Args>
INLINE Task task_at(const Args& args, int64_t index) {
  const int64_t units = round_up(args.D, UNIT) / UNIT;
  Task task;
  task.b = index / args.splits;
  task.split = index % args.splits;
  task.begin = units * task.split / args.splits * UNIT;
  task.end = min(units * (task.split + 1) / args.splits * UNIT, args.D);
  return task;
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

// Whether each direction visits every token exactly once.
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

template <typename Args>
int check_order(const Args& args) {
  if (!args.order) return OK;
  char* seen = static_cast<char*>(std::malloc(args.L));
  if (!seen) return OUT_OF_MEMORY;
  const bool valid = is_permutation(args.order, args.K, args.L, seen);
  std::free(seen);
  return valid ? OK : BAD_ORDER;
}

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
int for_each_task(const Args& args, Body body) {
  const int status = check_order(args);
  if (status != OK) return status;

  Workspace counter{nullptr};
  const int64_t widest = round_up(args.D, UNIT) / args.splits + UNIT;
  Buffers(args, min(widest, round_up(args.D, UNIT)), counter);
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
    Buffers buffers(args, min(widest, round_up(args.D, UNIT)), workspace);
    const FlushDenormals flush;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < tasks; ++i) body(args, task_at(args, i), buffers);
  }
  std::free(memory);
  return OK;
}

}  // namespace
