// A vector of floats as wide as the instruction set's registers, and the
// functions of it that the operators need. GNU vector extensions: g++ and
// clang, any processor.
//
// Everything in these headers is in an anonymous namespace, and no template
// of the standard library is used: code compiled for AVX-512 must never be
// merged by the linker with the same function compiled for less.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define COLD static __attribute__((noinline, cold))

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Vec __attribute__((vector_size(LANES * 4)));
typedef int32_t IntVec __attribute__((vector_size(LANES * 4)));
typedef float LooseVec
    __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

INLINE Vec load(const float* p) {
  return *reinterpret_cast<const LooseVec*>(p);
}

INLINE void store(float* p, Vec v) { *reinterpret_cast<LooseVec*>(p) = v; }

// A non-temporal store bypasses the caches, for what is read much later; p is
// aligned to a vector.
INLINE void store_non_temporal(float* p, Vec v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__)
  _mm256_stream_ps(p, (__m256)v);
#else
  store(p, v);
#endif
}

INLINE Vec splat(float value) { return value - Vec{}; }

// The second where either is NaN.
INLINE Vec minimum(Vec a, Vec b) {
#if defined(__AVX512F__)
  // The masked form, as g++ warns about the inside of the plain one.
  return (Vec)_mm512_maskz_min_ps(-1, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Vec)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return a < b ? a : b;
#endif
}

INLINE Vec maximum(Vec a, Vec b) {
#if defined(__AVX512F__)
  return (Vec)_mm512_maskz_max_ps(-1, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return a > b ? a : b;
#endif
}

INLINE bool all_lanes(IntVec mask) {
  int64_t parts[LANES / 2];
  std::memcpy(parts, &mask, sizeof(mask));
  int64_t all = -1;
  for (const int64_t part : parts) all &= part;
  return all == -1;
}

INLINE IntVec bits(Vec v) {
  IntVec out;
  std::memcpy(&out, &v, sizeof(out));
  return out;
}

INLINE Vec from_bits(IntVec v) {
  Vec out;
  std::memcpy(&out, &v, sizeof(out));
  return out;
}

// x - 1.5 * 2^23 rounds to an integer, which the low bits of x then hold.
constexpr float ROUNDING = 12582912.0f;

// Polynomials of 2^f for f in [-1/2, 1/2], from the constant on. Near zero the
// slope is exact to 3e-7: a decay just below one is applied thousands of times.
constexpr int EXACT = 5;  // relative error 1e-7
constexpr int SHORT = 3;  // 1.2e-4, a sixteenth of bfloat16's rounding
template <int DEGREE>
constexpr float EXP2[DEGREE + 1] = {};
template <>
constexpr float EXP2<EXACT>[] = {1.0f,           0.693146997f,
                                 0.240222562f,   5.55072170e-2f,
                                 9.67085366e-3f, 1.32658347e-3f};
template <>
constexpr float EXP2<SHORT>[] = {1.0f, 0.693147181f, 0.242119998f,
                                 5.54912762e-2f};

// 2^(x * y) of a product in [-FARTHEST, LARGEST]. It is never rounded, so a
// large exponent keeps its fraction.
constexpr float FARTHEST = 1 << 20, LARGEST = 127;
template <int DEGREE = EXACT>
INLINE Vec exp2_product(Vec x, Vec y) {
#if !defined(__AVX512F__)
  // Keep the exponent in range, where -127 makes zero, and NaN a NaN.
  x = maximum(splat(-127.0f), x * y);
  y = splat(1.0f);
#endif
  const Vec shifted = x * y + splat(ROUNDING);
  const Vec whole = shifted - splat(ROUNDING);
  const Vec f = x * y - whole;
  Vec p = splat(EXP2<DEGREE>[DEGREE]);
#pragma GCC unroll 8
  for (int i = DEGREE - 1; i >= 0; --i) p = p * f + splat(EXP2<DEGREE>[i]);
#if defined(__AVX512F__)
  return (Vec)_mm512_maskz_scalef_ps(-1, (__m512)p, (__m512)whole);
#else
  return p * from_bits((bits(shifted) + 127) << 23);
#endif
}

// 2^(x * y) of any product: its square root, squared, overflows and underflows
// where it should.
template <int DEGREE>
INLINE Vec exp2_any_product(Vec x, Vec y) {
  constexpr float ENOUGH = 200;
  const Vec product = minimum(splat(ENOUGH), maximum(splat(-ENOUGH), x * y));
  const Vec root = exp2_product<DEGREE>(product, splat(0.5f));
  return root * root;
}

constexpr float LOG2_E = 1.44269504f;
constexpr float LN_2 = 0.693147181f;

// All bits of the first `count` lanes.
INLINE IntVec first_lanes(int64_t count) {
  IntVec lanes;
  for (int i = 0; i < LANES; ++i) lanes[i] = i < count ? -1 : 0;
  return lanes;
}

INLINE Vec absolute(Vec x) { return from_bits(bits(x) & 0x7fffffff); }

// exp(-|x|), in [0, 1].
INLINE Vec exp_negative(Vec x) {
  constexpr float ENOUGH = 200;
  return exp2_product(minimum(splat(ENOUGH), absolute(x)), splat(-LOG2_E));
}

// 1 / x for x in [1, 2]: a division takes as long as twenty products.
INLINE Vec reciprocal(Vec x) {
#if defined(__AVX512F__)
  const Vec r = (Vec)_mm512_maskz_rcp14_ps(-1, (__m512)x);
  return r + r * (1.0f - x * r);
#else
  return splat(1.0f) / x;
#endif
}

// 1 / (1 + exp(-x)), given exp_negative(x).
INLINE Vec sigmoid(Vec x, Vec e) {
  const Vec s = reciprocal(splat(1.0f) + e);
  return x < splat(0.0f) ? e * s : s;
}

INLINE Vec silu(Vec x) { return x * sigmoid(x, exp_negative(x)); }

// log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)), given exp_negative(x); the
// polynomial is log1p(e) / e on [0, 1], relative error 3e-8.
INLINE Vec softplus(Vec x, Vec e) {
  Vec p = splat(5.23268682e-3f);
  p = p * e + splat(-2.95052090e-2f);
  p = p * e + splat(7.82259033e-2f);
  p = p * e + splat(-0.136632417f);
  p = p * e + splat(0.191060048f);
  p = p * e + splat(-0.248429817f);
  p = p * e + splat(0.333190967f);
  p = p * e + splat(-0.499994931f);
  p = p * e + splat(0.99999997f);
  return (x < splat(0.0f) ? splat(0.0f) : x) + p * e;
}

INLINE float sum_lanes(Vec v) {
  typedef float Four __attribute__((vector_size(16)));
  Four parts[LANES / 4];
  std::memcpy(parts, &v, sizeof(v));
  for (int i = 1; i < LANES / 4; ++i) parts[0] += parts[i];
  return (parts[0][0] + parts[0][2]) + (parts[0][1] + parts[0][3]);
}

}  // namespace
