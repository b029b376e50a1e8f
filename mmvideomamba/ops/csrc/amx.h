// Products of bfloat16 matrices on the tiles of AMX, with sums in float32.
//
// An AMX tile has 16 rows of 64 bytes: 16 x 32 numbers of a left factor, 16 x
// 16 of a product, and 32 x 16 of a right factor, in VNNI layout: two rows of
// the matrix are one row of the tile, the two numbers of a column side by side.
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

constexpr int64_t AMX_TILE = 16;             // rows; columns of float32
constexpr int64_t AMX_DEPTH = 2 * AMX_TILE;  // columns of bfloat16

struct alignas(64) AmxConfig {
  uint8_t palette = 1, rest[15] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {AMX_TILE, AMX_TILE, AMX_TILE, AMX_TILE,
                      AMX_TILE, AMX_TILE, AMX_TILE, AMX_TILE};
};

// Whether the processor has tiles; Linux wants to be asked for them.
bool request_amx() {
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

INLINE bool has_amx() {
  static const bool answer = request_amx();
  return answer;
}

typedef Matrix<uint16_t> Bfloat16Matrix;

INLINE uint16_t* take_bfloat16(Workspace& workspace, int64_t n) {
  return reinterpret_cast<uint16_t*>(workspace.take((n + 1) / 2));
}

// AMX_TILE numbers from `i` on, rounded; zeros from `n` on.
AMX INLINE __m256i round_numbers(const float* from, int64_t i, int64_t n) {
  const int64_t inside = n - i;
  const __mmask16 mask = inside >= AMX_TILE ? 0xffff
                         : inside > 0       ? (1 << inside) - 1
                                            : 0;
  return (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + i));
}

// Rows of a left factor, zeros from `columns` to a whole depth.
AMX void round_to_bfloat16(const Matrix<const float>& from, int64_t rows,
                           int64_t columns, const Bfloat16Matrix& to) {
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t i = 0; i < round_up(columns, AMX_DEPTH); i += AMX_TILE)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to.data + t * to.row + i),
                          round_numbers(from.data + t * from.row, i, columns));
}

// A column of a right factor in VNNI layout, its pairs of numbers `step` apart;
// zeros from `n` to `padded`, a multiple of AMX_TILE.
AMX void round_to_vnni(const float* from, int64_t n, int64_t padded,
                       uint16_t* to, int64_t step) {
  for (int64_t i = 0; i < padded; i += AMX_TILE) {
    alignas(32) uint16_t rounded[AMX_TILE];
    _mm256_store_si256(reinterpret_cast<__m256i*>(rounded),
                       round_numbers(from, i, n));
    for (int64_t j = 0; j < AMX_TILE; j += 2)
      std::memcpy(to + (i + j) / 2 * step, rounded + j, 2 * sizeof(uint16_t));
  }
}

// c = a b for two tiles of rows and so many of columns, one or two.
template <int COLUMNS>
AMX INLINE void amx_micro_product(const Bfloat16Matrix& a,
                                  const Bfloat16Matrix& b, int64_t depth,
                                  const Matrix<float>& c) {
  const int64_t a_row = a.row * sizeof(uint16_t);
  const int64_t b_row = b.row * 2 * sizeof(uint16_t);
  const int64_t c_row = c.row * sizeof(float);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t k = 0; k < depth; k += AMX_DEPTH) {
    const uint16_t* left = a.data + k;
    const uint16_t* right = b.data + k * b.row;
    _tile_loadd(4, left, a_row);
    _tile_loadd(5, left + AMX_TILE * a.row, a_row);
    _tile_loadd(6, right, b_row);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 5, 6);
    if (COLUMNS == 2) {
      _tile_loadd(7, right + AMX_DEPTH, b_row);
      _tile_dpbf16ps(2, 4, 7);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  float* below = c.data + AMX_TILE * c.row;
  _tile_stored(0, c.data, c_row);
  _tile_stored(1, below, c_row);
  if (COLUMNS == 2) {
    _tile_stored(2, c.data + AMX_TILE, c_row);
    _tile_stored(3, below + AMX_TILE, c_row);
  }
}

// c = a b. `rows` is rounded up to 2 AMX_TILE, `depth` to AMX_DEPTH and
// `columns` to AMX_TILE, and memory must be there. Beyond the depth the left
// factor holds zeros, and the right one finite numbers.
AMX void set_product_amx(const Bfloat16Matrix& a, const Bfloat16Matrix& b,
                         const Matrix<float>& c, int64_t rows, int64_t depth,
                         int64_t columns) {
  static const AmxConfig config;
  // The compiler does not know that tiles read memory.
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&config);
  for (int64_t i = 0; i < rows; i += 2 * AMX_TILE) {
    const Bfloat16Matrix left = {a.data + i * a.row, a.row};
    float* to = c.data + i * c.row;
    int64_t j = 0;
    for (; j + 2 * AMX_TILE <= columns; j += 2 * AMX_TILE)
      amx_micro_product<2>(left, {b.data + 2 * j, b.row}, depth,
                           {to + j, c.row});
    for (; j < columns; j += AMX_TILE)
      amx_micro_product<1>(left, {b.data + 2 * j, b.row}, depth,
                           {to + j, c.row});
  }
  _tile_release();
}

}  // namespace

#endif
