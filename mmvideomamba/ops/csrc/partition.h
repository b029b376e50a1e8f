// The sizes that the work is divided by; README.md draws them. LANES is in
// vector.h, CHUNK and UNIT are in abi.h.
#pragma once

#include "abi.h"
#include "vector.h"

namespace {

// Channels are processed in blocks whose working set stays in the L1 cache.
constexpr int64_t BLOCK = 64;

// States are handled this many at a time; N is padded with zeros to a
// multiple, which keeps a padded state at zero.
#if defined(__AVX512F__)
constexpr int STATES = 16;
#elif defined(__aarch64__)
constexpr int STATES = 8;
#else
constexpr int STATES = 4;
#endif

// Steps that the inside of a mixer is computed by.
constexpr int64_t SPAN = 4 * CHUNK;

INLINE int64_t ceil_div(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit;
}

INLINE int64_t round_up(int64_t n, int64_t unit) {
  return ceil_div(n, unit) * unit;
}

INLINE int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

}  // namespace
