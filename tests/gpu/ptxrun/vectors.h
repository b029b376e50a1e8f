// The 32 lanes of a warp as vectors, and the arithmetic on them that C++ has
// no operator for.
//
// Results are correctly rounded where PTX asks for it. Where PTX allows an
// approximation (ex2, lg2, rcp, rsqrt, div.full) they are the C library's,
// except that ex2 can be told to err. Needs AVX-512.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

constexpr int LANES = 32;

typedef uint16_t u16x32 __attribute__((vector_size(64)));
typedef int16_t i16x32 __attribute__((vector_size(64)));
typedef uint32_t u32x32 __attribute__((vector_size(128)));
typedef int32_t i32x32 __attribute__((vector_size(128)));
typedef float f32x32 __attribute__((vector_size(128)));
typedef uint64_t u64x32 __attribute__((vector_size(256)));
typedef int64_t i64x32 __attribute__((vector_size(256)));
typedef double f64x32 __attribute__((vector_size(256)));
// A predicate is an i32x32 of 0 and -1.

static inline i32x32 all_i32(int x) { return x - (i32x32){}; }
static inline u32x32 all_u32(uint32_t x) { return x - (u32x32){}; }
static inline u64x32 all_u64(uint64_t x) { return x - (u64x32){}; }
static inline u16x32 all_u16(uint16_t x) { return x - (u16x32){}; }

static inline i32x32 select_i32(i32x32 p, i32x32 a, i32x32 b) {
  return (p & a) | (~p & b);
}
static inline u32x32 select_u32(i32x32 p, u32x32 a, u32x32 b) {
  const u32x32 mask = (u32x32)p;
  return (mask & a) | (~mask & b);
}
static inline u64x32 select_u64(i32x32 p, u64x32 a, u64x32 b) {
  const u64x32 mask = (u64x32) __builtin_convertvector(p, i64x32);
  return (mask & a) | (~mask & b);
}
static inline u16x32 select_u16(i32x32 p, u16x32 a, u16x32 b) {
  const u16x32 mask = __builtin_convertvector(p, u16x32);
  return (mask & a) | (~mask & b);
}

static inline f32x32 fma_f32(f32x32 a, f32x32 b, f32x32 c) {
  f32x32 result;
  const __m512 *x = (__m512*)&a, *y = (__m512*)&b, *z = (__m512*)&c;
  __m512* out = (__m512*)&result;
  out[0] = _mm512_fmadd_ps(x[0], y[0], z[0]);
  out[1] = _mm512_fmadd_ps(x[1], y[1], z[1]);
  return result;
}
static f32x32 log2_f32(f32x32 x) {
  f32x32 result;
  for (int l = 0; l < LANES; l++) result[l] = log2f(x[l]);
  return result;
}
static f32x32 reciprocal_f32(f32x32 x) {
  f32x32 result;
  for (int l = 0; l < LANES; l++) result[l] = 1.0f / x[l];
  return result;
}
static f32x32 sqrt_f32(f32x32 x) {
  f32x32 result;
  for (int l = 0; l < LANES; l++) result[l] = sqrtf(x[l]);
  return result;
}
static f32x32 rsqrt_f32(f32x32 x) {
  f32x32 result;
  for (int l = 0; l < LANES; l++) result[l] = 1 / sqrtf(x[l]);
  return result;
}
// Of a number and NaN, the number, as in PTX.
static f32x32 max_f32(f32x32 a, f32x32 b) {
  f32x32 result;
  for (int l = 0; l < LANES; l++) result[l] = fmaxf(a[l], b[l]);
  return result;
}
static f32x32 min_f32(f32x32 a, f32x32 b) {
  f32x32 result;
  for (int l = 0; l < LANES; l++) result[l] = fminf(a[l], b[l]);
  return result;
}

static inline uint32_t hash(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352d;
  x ^= x >> 15;
  x *= 0x846ca68b;
  return x ^ x >> 16;
}

// By how many units in the last place ex2 is off: PTX allows two.
enum Exp2Error : int32_t {
  EXACT = 0,
  HASHED = 1,  // -2 to 2, by a hash of the result
  TOO_SMALL = 2,
  TOO_LARGE = 3
};

static inline int32_t exp2_error(int32_t mode, uint32_t seed, uint32_t bits) {
  const uint32_t exponent = bits & 0x7f800000;
  if (exponent == 0 || exponent == 0x7f800000) return 0;
  if (mode == HASHED) return (int32_t)(hash(bits ^ seed) % 5) - 2;
  return mode == TOO_SMALL ? -2 : mode == TOO_LARGE ? 2 : 0;
}
// With `flush`, subnormal numbers are zero.
static f32x32 exp2_f32(f32x32 x, bool flush, int32_t mode, uint32_t seed) {
  constexpr float SMALLEST_NORMAL = 1.17549435e-38f;
  f32x32 result;
  for (int l = 0; l < LANES; l++) {
    float from = x[l];
    if (flush && std::fabs(from) < SMALLEST_NORMAL) from = 0 * from;
    float to = exp2f(from);
    uint32_t bits;
    memcpy(&bits, &to, 4);
    bits += exp2_error(mode, seed, bits);
    memcpy(&to, &bits, 4);
    if (flush && std::fabs(to) < SMALLEST_NORMAL) to = 0;
    result[l] = to;
  }
  return result;
}

static inline uint16_t f32_to_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fff;
  return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}
static inline float bf16_to_f32(uint16_t x) {
  const uint32_t bits = (uint32_t)x << 16;
  float result;
  memcpy(&result, &bits, 4);
  return result;
}
static inline uint16_t f32_to_f16(float x) { return _cvtss_sh(x, 0); }
static inline float f16_to_f32(uint16_t x) { return _cvtsh_ss(x); }
static inline f32x32 widen(u16x32 x, float to_f32(uint16_t)) {
  f32x32 result;
  for (int l = 0; l < LANES; l++) result[l] = to_f32(x[l]);
  return result;
}

// bfe: `length` bits from `start` on. With `sign` the highest of them, of x
// where they reach beyond it, is repeated.
static inline uint32_t bit_field(uint32_t x, uint32_t start, uint32_t length,
                                 bool sign) {
  start = std::min(start & 255, 63u);
  length &= 255;
  if (length == 0) return 0;
  const int64_t wide = sign ? (int64_t)(int32_t)x : (int64_t)x;
  const uint64_t mask = length < 64 ? (1ull << length) - 1 : ~0ull;
  uint64_t field = (wide >> start) & mask;
  if (sign && length < 64 && (field >> (length - 1) & 1)) field |= ~mask;
  return (uint32_t)field;
}
// prmt: four bytes of y:x, each chosen by four bits of `selector`.
static inline uint32_t permute_bytes(uint32_t x, uint32_t y,
                                     uint32_t selector) {
  const uint64_t bytes = (uint64_t)y << 32 | x;
  uint32_t result = 0;
  for (int i = 0; i < 4; i++) {
    const uint32_t choice = selector >> (4 * i) & 15;
    uint8_t byte = bytes >> (8 * (choice & 7)) & 255;
    if (choice & 8) byte = byte & 0x80 ? 255 : 0;
    result |= (uint32_t)byte << (8 * i);
  }
  return result;
}
