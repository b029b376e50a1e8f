// What the convolution's forward and backward passes share.
#pragma once

#include "parallel.h"
#include "rows.h"

namespace {

// The last W rows of a sequence, the newest last.
struct Window {
  int64_t W, width;
  const float** rows;
  float* buffers;  // [slot][channel], for those rows that need one
  float* zeros;    // [channel], the row of steps outside the sequence

  Window(const ConvArgs& args, int64_t width, Workspace& workspace)
      : W(args.W), width(width) {
    rows = reinterpret_cast<const float**>(workspace.take(2 * W));
    buffers = workspace.take(W * width);
    zeros = workspace.take(width);
  }

  void clear() const {
    std::memset(zeros, 0, width * sizeof(float));
    for (int64_t w = 0; w < W; ++w) rows[w] = zeros;
  }

  // The buffer of step t's row; the oldest row's is free by then.
  float* buffer(int64_t t) const { return buffers + t % W * width; }

  void push(const float* row) const {
    for (int64_t w = 0; w + 1 < W; ++w) rows[w] = rows[w + 1];
    rows[W - 1] = row;
  }
};

struct ConvBuffers {
  int64_t width;       // of the rows below
  Window x, grad;      // grad: the gradient of the sums
  float* weight;       // [tap][channel]
  float* bias;         // [channel]
  float* row;          // [channel], a result
  float* grad_weight;  // [tap][channel]
  float* grad_bias;    // [channel]

  ConvBuffers(const ConvArgs& args, int64_t width, Workspace& workspace)
      : width(width), x(args, width, workspace), grad(args, width, workspace) {
    weight = workspace.take(args.W * width);
    bias = workspace.take(width);
    row = workspace.take(width);
    grad_weight = workspace.take(args.W * width);
    grad_bias = workspace.take(width);
  }
};

void conv_load_parameters(const ConvArgs& args, const Task& task, int64_t k,
                          const ConvBuffers& at) {
  const int64_t channel = k * args.D + task.begin;
  for (int64_t i = 0; i < at.width; ++i) {
    const bool inside = i < task.width();
    for (int64_t w = 0; w < args.W; ++w)
      at.weight[w * at.width + i] =
          inside ? args.weight[(channel + i) * args.W + w] : 0.0f;
    at.bias[i] = inside && args.bias ? args.bias[channel + i] : 0.0f;
  }
}

INLINE int64_t conv_offset(const ConvArgs& args, const Rows& rows,
                           const Task& task, int64_t k, int64_t t) {
  const int64_t token = token_at(args.order, args.L, k, t);
  return row_offset(rows, k, task.b, token) + task.begin;
}

// The row of step t, zeros beyond the end; `buffer` if it needs one.
INLINE const float* conv_row(const ConvArgs& args, const Rows& rows,
                             const Task& task, int64_t k, int64_t t,
                             const Window& window) {
  if (t >= args.L) return window.zeros;
  return read_row(rows, conv_offset(args, rows, task, k, t), task.width(),
                  window.width, window.buffer(t));
}

// bias + sum over the taps' rows, for one vector of channels.
INLINE Vec conv_sum(const ConvBuffers& at, const float* const* rows,
                    int64_t i) {
  Vec sum = load(at.bias + i);
  for (int64_t w = 0; w < at.x.W; ++w)
    sum += load(rows[w] + i) * load(at.weight + w * at.width + i);
  return sum;
}

// Go on to step t and convolve there, with the activation; `out` has room for
// whole vectors.
INLINE void conv_step(const ConvArgs& args, const Task& task, int64_t k,
                      int64_t t, const ConvBuffers& at, float* out) {
  at.x.push(conv_row(args, args.x, task, k, t, at.x));
  for (int64_t i = 0; i < task.width(); i += LANES) {
    const Vec y = conv_sum(at, at.x.rows, i);
    store(out + i, args.silu ? silu(y) : y);
  }
}

// One step, whose taps meet `rows`: from the gradient of its result to that of
// its sum, and its share of the parameters' gradients.
INLINE void conv_grad_step(const ConvArgs& args, const Task& task,
                           const float* const* rows, const float* grad_out,
                           float* grad, const ConvBuffers& at) {
  for (int64_t i = 0; i < task.width(); i += LANES) {
    Vec g = load(grad_out + i);
    if (args.silu) {
      const Vec y = conv_sum(at, rows, i), s = sigmoid(y, exp_negative(y));
      g *= s * (1.0f + y * (1.0f - s));
    }
    store(grad + i, g);
    store(at.grad_bias + i, load(at.grad_bias + i) + g);
    for (int64_t w = 0; w < args.W; ++w) {
      float* sum = at.grad_weight + w * at.width + i;
      store(sum, load(sum) + g * load(rows[w] + i));
    }
  }
}

// The gradient of x at step t, given the gradients of the sums at t and the
// W - 1 steps after it. The directions add up in `sum`; the last stores.
INLINE void conv_grad_store_x(const ConvArgs& args, const Task& task, int64_t k,
                              int64_t t, const float* const* grads,
                              const ConvBuffers& at) {
  const Rows& sum = args.sum;
  const Rows& to = k < args.K - 1 ? sum : args.grad_x;
  const int64_t offset = conv_offset(args, to, task, k, t);
  float* grad_x = begin_row(to, offset, task.width(), at.row);
  const float* before = at.x.zeros;
  if (k > 0)
    before = read_row(sum, conv_offset(args, sum, task, k, t), task.width(),
                      at.width, at.row);
  const int64_t first = args.W - min(args.W, args.L - t);
  for (int64_t i = 0; i < task.width(); i += LANES) {
    Vec g = load(before + i);
    // Tap w of step t + W - 1 - w met this step.
    for (int64_t w = first; w < args.W; ++w)
      g += load(grads[args.W - 1 - w] + i) * load(at.weight + w * at.width + i);
    store(grad_x + i, g);
  }
  finish_row(to, offset, task.width(), grad_x);
}

INLINE void conv_grad_clear(const ConvBuffers& at) {
  std::memset(at.grad_weight, 0, at.x.W * at.width * sizeof(float));
  std::memset(at.grad_bias, 0, at.width * sizeof(float));
}

INLINE void conv_grad_store_parameters(const ConvArgs& args, const Task& task,
                                       int64_t k, const ConvBuffers& at) {
  const int64_t channel = (task.b * args.K + k) * args.D + task.begin;
  for (int64_t i = 0; i < task.width(); ++i)
    for (int64_t w = 0; w < args.W; ++w)
      args.grad_weight[(channel + i) * args.W + w] =
          at.grad_weight[w * at.width + i];
  if (args.grad_bias)
    std::memcpy(args.grad_bias + channel, at.grad_bias,
                task.width() * sizeof(float));
}

}  // namespace
