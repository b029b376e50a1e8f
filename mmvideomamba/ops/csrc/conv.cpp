// Causal depthwise convolution, forward and backward.
//
// Each direction walks its steps once, a whole row of the task's channels at
// a time; rows of float32 are read and written in place.
#include "conv.h"

namespace {

void convolve_sequence(const ConvArgs& args, const Task& task,
                       const ConvBuffers& at) {
  for (int64_t k = 0; k < args.K; ++k) {
    load_parameters(args, task, k, at);
    at.x.clear();
    for (int64_t t = 0; t < args.L; ++t) {
      const int64_t offset = offset_at(args, args.out, task, k, t);
      float* out = begin_row(args.out, offset, task.width(), at.row);
      convolve_step(args, task, k, t, at, out);
      finish_row(args.out, offset, task.width(), out);
    }
  }
}

// One step: from the gradient of its result to that of its sum, and its share
// of the parameters' gradients.
INLINE void differentiate_step(const ConvArgs& args, const Task& task,
                               const float* grad_out, float* grad,
                               const ConvBuffers& at) {
  for (int64_t i = 0; i < task.width(); i += LANES) {
    Vec g = load(grad_out + i);
    if (args.silu) {
      const Vec y = convolve(at, i), s = sigmoid(y);
      g *= s * (1.0f + y * (1.0f - s));
    }
    store(grad + i, g);
    store(at.grad_bias + i, load(at.grad_bias + i) + g);
    for (int64_t w = 0; w < args.W; ++w) {
      float* sum = at.grad_weight + w * at.width + i;
      store(sum, load(sum) + g * load(at.x.rows[w] + i));
    }
  }
}

// The gradient of x at the step whose taps the window of sums holds. The
// directions add up in `sum`; the last stores.
INLINE void store_grad_x(const ConvArgs& args, const Task& task, int64_t k,
                         int64_t t, const ConvBuffers& at) {
  const Rows& sum = args.sum;
  const Rows& to = k < args.K - 1 ? sum : args.grad_x;
  const int64_t offset = offset_at(args, to, task, k, t);
  float* grad_x = begin_row(to, offset, task.width(), at.row);
  const float* before = at.x.zeros;
  if (k > 0)
    before = read_row(sum, offset_at(args, sum, task, k, t), task.width(),
                      at.width, at.row);
  for (int64_t i = 0; i < task.width(); i += LANES) {
    Vec g = load(before + i);
    // Tap w of step t + W - 1 - w met this step.
    for (int64_t w = 0; w < args.W; ++w)
      g += load(at.grad.rows[args.W - 1 - w] + i) *
           load(at.weight + w * at.width + i);
    store(grad_x + i, g);
  }
  finish_row(to, offset, task.width(), grad_x);
}

void differentiate_sequence(const ConvArgs& args, const Task& task,
                            const ConvBuffers& at) {
  for (int64_t k = 0; k < args.K; ++k) {
    load_parameters(args, task, k, at);
    std::memset(at.grad_weight, 0, args.W * at.width * sizeof(float));
    std::memset(at.grad_bias, 0, at.width * sizeof(float));
    at.x.clear();
    at.grad.clear();
    for (int64_t t = 0; t < args.L + args.W - 1; ++t) {
      at.x.push(row_at(args, args.x, task, k, t, at.x));
      float* grad = at.grad.buffer(t);
      if (t < args.L)
        differentiate_step(args, task,
                           row_at(args, args.out, task, k, t, at.grad), grad,
                           at);
      at.grad.push(t < args.L ? grad : at.grad.zeros);
      const int64_t known = t - (args.W - 1);
      if (known >= 0) store_grad_x(args, task, k, known, at);
    }

    const int64_t channel = (task.b * args.K + k) * args.D + task.begin;
    for (int64_t i = 0; i < task.width(); ++i)
      for (int64_t w = 0; w < args.W; ++w)
        args.grad_weight[(channel + i) * args.W + w] =
            at.grad_weight[w * at.width + i];
    if (args.grad_bias)
      std::memcpy(args.grad_bias + channel, at.grad_bias,
                  task.width() * sizeof(float));
  }
}

}  // namespace

EXPORT(describe)(int64_t* description) {
  const int64_t values[] = {CHUNK, UNIT, sizeof(ConvArgs), sizeof(ScanArgs),
                            sizeof(InnerArgs), sizeof(NormArgs)};
  std::memcpy(description, values, sizeof(values));
  return OK;
}

EXPORT(causal_conv1d)(const ConvArgs* args) {
  return for_each_task<ConvBuffers>(*args, convolve_sequence);
}

EXPORT(causal_conv1d_backward)(const ConvArgs* args) {
  return for_each_task<ConvBuffers>(*args, differentiate_sequence);
}
