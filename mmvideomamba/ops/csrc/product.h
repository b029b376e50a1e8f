// Products of small float32 matrices that lie in the caches.
#pragma once

#include "partition.h"

namespace {

// The micro-kernel keeps so many rows and vectors of columns in registers.
constexpr int64_t MICRO_ROWS = 4;
constexpr int MICRO_VECTORS = LANES == 16 ? 4 : 2;

// A left factor, element (i, k) at data[i * row + k * step].
struct Left {
  const float* data;
  int64_t row, step;
};

// A matrix by rows, row i from data + i * row on.
template <typename Number>
struct Matrix {
  Number* data;
  int64_t row;
};

template <bool ADD, int VECTORS>
INLINE void micro_product(const Left& a, const Matrix<const float>& b,
                          const Matrix<float>& c, int64_t depth) {
  Vec sum[MICRO_ROWS][VECTORS] = {};
  if (ADD) {
#pragma GCC unroll 4
    for (int i = 0; i < MICRO_ROWS; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < VECTORS; ++j)
        sum[i][j] = load(c.data + i * c.row + j * LANES);
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vec right[VECTORS];
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; ++j)
      right[j] = load(b.data + k * b.row + j * LANES);
#pragma GCC unroll 4
    for (int i = 0; i < MICRO_ROWS; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < VECTORS; ++j)
        sum[i][j] += a.data[i * a.row + k * a.step] * right[j];
  }
#pragma GCC unroll 4
  for (int i = 0; i < MICRO_ROWS; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; ++j)
      store(c.data + i * c.row + j * LANES, sum[i][j]);
}

// `rows` is rounded up to MICRO_ROWS and `columns` to LANES, and memory must be
// there; what lies in rows beyond does not matter.
template <bool ADD>
INLINE void multiply(const Left& a, const Matrix<const float>& b,
                     const Matrix<float>& c, int64_t rows, int64_t depth,
                     int64_t columns) {
  constexpr int64_t WIDTH = MICRO_VECTORS * LANES;
  for (int64_t i = 0; i < rows; i += MICRO_ROWS) {
    const Left left = {a.data + i * a.row, a.row, a.step};
    float* to = c.data + i * c.row;
    int64_t j = 0;
    for (; j + WIDTH <= columns; j += WIDTH)
      micro_product<ADD, MICRO_VECTORS>(left, {b.data + j, b.row},
                                        {to + j, c.row}, depth);
    for (; j < columns; j += LANES)
      micro_product<ADD, 1>(left, {b.data + j, b.row}, {to + j, c.row}, depth);
  }
}

// c = a b
INLINE void set_product(const Left& a, const Matrix<const float>& b,
                        const Matrix<float>& c, int64_t rows, int64_t depth,
                        int64_t columns) {
  multiply<false>(a, b, c, rows, depth, columns);
}

// c += a b
INLINE void add_product(const Left& a, const Matrix<const float>& b,
                        const Matrix<float>& c, int64_t rows, int64_t depth,
                        int64_t columns) {
  multiply<true>(a, b, c, rows, depth, columns);
}

}  // namespace
