// Root-mean-square norm of rows, forward and backward:
//
//     y = r x w                                   r = 1 / sqrt(mean x^2 + eps)
//     dx = r (dy w - x r^2 mean(dy w x))          dw = sum over rows of dy r x
#include "rows.h"

namespace {

// One function each for the two types of the result: an overload.
INLINE float get(const float* from) { return *from; }
INLINE float get(const uint16_t* from) { return from_bfloat16(*from); }

INLINE void put(float* to, float value) { *to = value; }
INLINE void put(uint16_t* to, float value) { *to = to_bfloat16(value); }

template <typename Number>
int norm_rows(const NormArgs& args) {
  const int64_t C = args.columns;
#pragma omp parallel for num_threads(args.threads)
  for (int64_t row = 0; row < args.rows; ++row) {
    const float* x = args.x + row * C;
    Number* y = static_cast<Number*>(args.out.data) + row * C;
    float squares = 0.0f;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < C; ++i) squares += x[i] * x[i];
    const float scale =
        1.0f / __builtin_sqrtf(squares / C + static_cast<float>(args.eps));
    args.scale[row] = scale;
#pragma omp simd
    for (int64_t i = 0; i < C; ++i) put(y + i, x[i] * scale * args.weight[i]);
  }
  return OK;
}

template <typename Number>
int norm_grad_rows(const NormArgs& args) {
  const int64_t C = args.columns;
#pragma omp parallel for num_threads(args.threads)
  for (int64_t task = 0; task < args.threads; ++task) {
    float* grad_weight = args.grad_weight + task * C;
    std::memset(grad_weight, 0, C * sizeof(float));
    const int64_t end = args.rows * (task + 1) / args.threads;
    for (int64_t row = args.rows * task / args.threads; row < end; ++row) {
      const float* x = args.x + row * C;
      const Number* grad = static_cast<const Number*>(args.out.data) + row * C;
      float* grad_x = args.grad_x + row * C;
      const float scale = args.scale[row];
      float product = 0.0f;
#pragma omp simd reduction(+ : product)
      for (int64_t i = 0; i < C; ++i)
        product += get(grad + i) * args.weight[i] * x[i];
      const float share = product / C * scale * scale;
#pragma omp simd
      for (int64_t i = 0; i < C; ++i) {
        const float g = get(grad + i);
        grad_weight[i] += g * scale * x[i];
        grad_x[i] = scale * (g * args.weight[i] - x[i] * share);
      }
    }
  }
  return OK;
}

}  // namespace

EXPORT(rms_norm)(const NormArgs* args) {
  return args->out.dtype == FLOAT32 ? norm_rows<float>(*args)
                                    : norm_rows<uint16_t>(*args);
}

EXPORT(rms_norm_backward)(const NormArgs* args) {
  return args->out.dtype == FLOAT32 ? norm_grad_rows<float>(*args)
                                    : norm_grad_rows<uint16_t>(*args);
}
