// Products of bfloat16 matrices on the tiles of AMX, with sums in float32.
//
// A tile has 16 rows of 64 bytes: 16 x 32 numbers of a left factor, 16 x 16 of
// a product, and 32 x 16 of a right factor, two rows of which lie as one, the
// numbers of a column side by side.
#pragma once

#include "parallel.h"
#include "product.h"

// g++'s and clang's names of the header.
#if defined(__AVX512F__) && defined(__linux__) && \
    (__has_include(<amxbf16intrin.h>) || __has_include(<amxintrin.h>))

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HAS_AMX
#define AMX __attribute__((target("amx-tile,amx-bf16,avx512bf16")))

namespace {

constexpr int64_t TILE = 16;         // rows; columns of float32
constexpr int64_t DEPTH = 2 * TILE;  // columns of bfloat16

struct alignas(64) TileConfig {
  uint8_t palette = 1, rest[15] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {TILE, TILE, TILE, TILE, TILE, TILE, TILE, TILE};
};

// Whether the processor has tiles; Linux wants to be asked for them.
bool request_tiles() {
  constexpr int XTILEDATA = 18, REQUEST_PERMISSION = 0x1023;
  constexpr unsigned BF16 = 1 << 22, TILE_STATE = 1 << 24;
  constexpr unsigned AVX512_BF16 = 1 << 5;
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  if (!(d & BF16) || !(d & TILE_STATE)) return false;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d)) return false;
  return a & AVX512_BF16 &&
         syscall(SYS_arch_prctl, REQUEST_PERMISSION, XTILEDATA) == 0;
}

INLINE bool has_tiles() {
  static const bool answer = request_tiles();
  return answer;
}

typedef Matrix<uint16_t> HalfMatrix;

INLINE uint16_t* take_halves(Workspace& workspace, int64_t n) {
  return reinterpret_cast<uint16_t*>(workspace.take((n + 1) / 2));
}

// TILE numbers from `i` on, rounded; zeros from `n` on.
AMX INLINE __m256i round_numbers(const float* from, int64_t i, int64_t n) {
  const int64_t inside = n - i;
  const __mmask16 mask = inside >= TILE ? 0xffff
                         : inside > 0   ? (1 << inside) - 1
                                        : 0;
  return (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + i));
}

// Rows of a left factor, zeros from `columns` to a whole depth.
AMX void round_rows(const Matrix<const float>& from, int64_t rows,
                    int64_t columns, const HalfMatrix& to) {
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t i = 0; i < round_up(columns, DEPTH); i += TILE)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to.data + t * to.row + i),
                          round_numbers(from.data + t * from.row, i, columns));
}

// A column of a right factor, zeros from `n` to `padded`, a multiple of TILE:
// pairs of numbers, `step` apart.
AMX void round_pairs(const float* from, int64_t n, int64_t padded, uint16_t* to,
                     int64_t step) {
  for (int64_t i = 0; i < padded; i += TILE) {
    alignas(32) uint16_t rounded[TILE];
    _mm256_store_si256(reinterpret_cast<__m256i*>(rounded),
                       round_numbers(from, i, n));
    for (int64_t j = 0; j < TILE; j += 2)
      std::memcpy(to + (i + j) / 2 * step, rounded + j, 2 * sizeof(uint16_t));
  }
}

// c = a b for two tiles of rows and so many of columns, one or two.
template <int COLUMNS>
AMX INLINE void multiply_tiles(const HalfMatrix& a, const HalfMatrix& b,
                               int64_t depth, const Matrix<float>& c) {
  const int64_t a_row = a.row * sizeof(uint16_t);
  const int64_t b_row = b.row * 2 * sizeof(uint16_t);
  const int64_t c_row = c.row * sizeof(float);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t k = 0; k < depth; k += DEPTH) {
    const uint16_t* left = a.data + k;
    const uint16_t* right = b.data + k * b.row;
    _tile_loadd(4, left, a_row);
    _tile_loadd(5, left + TILE * a.row, a_row);
    _tile_loadd(6, right, b_row);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 5, 6);
    if (COLUMNS == 2) {
      _tile_loadd(7, right + DEPTH, b_row);
      _tile_dpbf16ps(2, 4, 7);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  float* below = c.data + TILE * c.row;
  _tile_stored(0, c.data, c_row);
  _tile_stored(1, below, c_row);
  if (COLUMNS == 2) {
    _tile_stored(2, c.data + TILE, c_row);
    _tile_stored(3, below + TILE, c_row);
  }
}

// c = a b. `rows` is rounded up to 2 TILE, `depth` to DEPTH and `columns` to
// TILE, and memory must be there; beyond the depth it holds zeros.
AMX void set_product(const HalfMatrix& a, const HalfMatrix& b,
                     const Matrix<float>& c, int64_t rows, int64_t depth,
                     int64_t columns) {
  static const TileConfig config;
  // The compiler does not know that tiles read memory.
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&config);
  for (int64_t i = 0; i < rows; i += 2 * TILE) {
    const HalfMatrix left = {a.data + i * a.row, a.row};
    float* to = c.data + i * c.row;
    int64_t j = 0;
    for (; j + 2 * TILE <= columns; j += 2 * TILE)
      multiply_tiles<2>(left, {b.data + 2 * j, b.row}, depth, {to + j, c.row});
    for (; j < columns; j += TILE)
      multiply_tiles<1>(left, {b.data + 2 * j, b.row}, depth, {to + j, c.row});
  }
  _tile_release();
}

}  // namespace

#endif
