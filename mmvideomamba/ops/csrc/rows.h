// Rows of tokens between memory of any dtype and blocks of float32.
#pragma once

#include "abi.h"
#include "vector.h"

namespace {

INLINE int64_t token_at(const int64_t* order, int64_t L, int64_t k, int64_t t) {
  return order ? order[k * L + t] : t;
}

INLINE int64_t row_offset(const Rows& rows, int64_t k, int64_t b, int64_t l) {
  return k * rows.stride_k + b * rows.stride_b + l * rows.stride_l;
}

INLINE float from_bfloat16(uint16_t narrow) {
  const uint32_t wide = static_cast<uint32_t>(narrow) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

// Read `n` numbers from `offset`; fill up to `width` with zeros.
INLINE void load_row(const Rows& rows, int64_t offset, int64_t n, int64_t width,
                     float* to) {
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

}  // namespace
