// Causal depthwise convolution, forward and backward.
//
// The same walk as the scan's: chunks of steps, blocks of channels, rows
// brought in the order of visits into float32 buffers. Nothing recurs, so a
// chunk that needs its neighbour's rows reads or computes them again.
#include "rows.h"

namespace {

struct Buffers {
  float* weight;       // [tap][channel]
  float* x;            // rows of x, from W - 1 steps before the chunk
  float* grad;         // rows of the sums' gradient, to W - 1 steps after it
  float* grad_weight;  // [tap][channel]; then the bias'

  Buffers(const ConvArgs& args, int64_t width, Workspace& workspace) {
    weight = workspace.take(args.W * width);
    x = workspace.take((CHUNK + 2 * (args.W - 1)) * BLOCK);
    grad = workspace.take((CHUNK + args.W - 1) * BLOCK);
    grad_weight = workspace.take((args.W + 1) * width);
  }
};

// A chunk of steps of direction k and a block of channels of a task.
struct Tile {
  int64_t k, b;
  int64_t channel, width;  // of the block
  int64_t offset;          // of the block in the task
  int64_t padded() const { return round_up(width, LANES); }
};

INLINE void load_weight(const ConvArgs& args, const Task& task, int64_t k,
                        float* to) {
  const int64_t width = round_up(task.width(), UNIT);
  const float* from = args.weight + (k * args.D + task.begin) * args.W;
  for (int64_t w = 0; w < args.W; ++w)
    for (int64_t i = 0; i < width; ++i)
      to[w * width + i] = i < task.width() ? from[i * args.W + w] : 0.0f;
}

// Rows of the steps [begin, end); zeros for steps outside the sequence.
INLINE void load_steps(const ConvArgs& args, const Rows& rows,
                       const Tile& tile, int64_t begin, int64_t end,
                       float* to) {
  for (int64_t t = begin; t < end; ++t, to += BLOCK) {
    if (t < 0 || t >= args.L) {
      std::memset(to, 0, BLOCK * sizeof(float));
      continue;
    }
    const int64_t token = token_at(args.order, args.L, tile.k, t);
    load_row(rows,
             row_offset(rows, tile.k, tile.b, token) + tile.channel,
             tile.width, tile.padded(), to);
  }
}

// bias + sum over the taps, for one step and one vector of channels.
INLINE Vec convolve(int64_t W, const float* x, const float* weight,
                    int64_t weight_stride, Vec sum) {
  for (int64_t w = 0; w < W; ++w)
    sum += load(x + w * BLOCK) * load(weight + w * weight_stride);
  return sum;
}

INLINE void load_bias(const ConvArgs& args, const Tile& tile, float* bias) {
  std::memset(bias, 0, BLOCK * sizeof(float));
  if (args.bias)
    std::memcpy(bias, args.bias + tile.k * args.D + tile.channel,
                tile.width * sizeof(float));
}

INLINE void forward_tile(const ConvArgs& args, const Tile& tile,
                         int64_t begin, int64_t end, const float* weight,
                         int64_t weight_stride, const Buffers& buffers) {
  alignas(64) float bias[BLOCK], out[BLOCK];
  load_bias(args, tile, bias);
  load_steps(args, args.x, tile, begin - args.W + 1, end, buffers.x);
  for (int64_t t = begin; t < end; ++t) {
    for (int64_t i = 0; i < tile.padded(); i += LANES) {
      Vec y = convolve(args.W, buffers.x + (t - begin) * BLOCK + i,
                       weight + i, weight_stride, load(bias + i));
      if (args.silu) y *= sigmoid(y);
      store(out + i, y);
    }
    const int64_t token = token_at(args.order, args.L, tile.k, t);
    store_row(args.out,
              row_offset(args.out, tile.k, tile.b, token) + tile.channel,
              tile.width, out);
  }
}

// Add the directions' gradients of x in `sum`; the last direction stores.
INLINE void merge(const ConvArgs& args, const Tile& tile, int64_t t,
                  float* grad_x) {
  const Rows sum = {args.sum, 0, args.L * args.D, args.D, FLOAT32};
  const int64_t token = token_at(args.order, args.L, tile.k, t);
  const int64_t at = row_offset(sum, 0, tile.b, token) + tile.channel;
  if (tile.k > 0) {
    alignas(64) float before[BLOCK];
    load_row(sum, at, tile.width, tile.padded(), before);
    for (int64_t i = 0; i < tile.padded(); i += LANES)
      store(grad_x + i, load(grad_x + i) + load(before + i));
  }
  if (tile.k < args.K - 1)
    store_row(sum, at, tile.width, grad_x);
  else
    store_row(args.grad_x,
              row_offset(args.grad_x, 0, tile.b, token) + tile.channel,
              tile.width, grad_x);
}

INLINE void backward_tile(const ConvArgs& args, const Tile& tile,
                          int64_t begin, int64_t end, const float* weight,
                          int64_t weight_stride, const Buffers& buffers) {
  const int64_t W = args.W;
  const int64_t after = min(end + W - 1, args.L);
  alignas(64) float bias[BLOCK], grad_x[BLOCK];
  load_bias(args, tile, bias);
  load_steps(args, args.x, tile, begin - W + 1, after, buffers.x);
  load_steps(args, args.out, tile, begin, end + W - 1, buffers.grad);
  if (args.silu)
    for (int64_t t = 0; t < after - begin; ++t)
      for (int64_t i = 0; i < tile.padded(); i += LANES) {
        const Vec y = convolve(W, buffers.x + t * BLOCK + i, weight + i,
                               weight_stride, load(bias + i));
        const Vec s = sigmoid(y);
        float* grad = buffers.grad + t * BLOCK + i;
        store(grad, load(grad) * s * (1.0f + y * (1.0f - s)));
      }

  float* grad_weight = buffers.grad_weight + tile.offset;
  for (int64_t i = 0; i < tile.padded(); i += LANES) {
    for (int64_t w = 0; w < W; ++w) {
      Vec sum = load(grad_weight + w * weight_stride + i);
      for (int64_t t = 0; t < end - begin; ++t)
        sum += load(buffers.grad + t * BLOCK + i) *
               load(buffers.x + (t + w) * BLOCK + i);
      store(grad_weight + w * weight_stride + i, sum);
    }
    Vec sum = load(grad_weight + W * weight_stride + i);
    for (int64_t t = 0; t < end - begin; ++t)
      sum += load(buffers.grad + t * BLOCK + i);
    store(grad_weight + W * weight_stride + i, sum);
  }

  for (int64_t t = begin; t < end; ++t) {
    // Tap w of step t + W - 1 - w met this step.
    for (int64_t i = 0; i < tile.padded(); i += LANES) {
      Vec sum = {};
      for (int64_t w = 0; w < W; ++w)
        sum += load(buffers.grad + (t - begin + W - 1 - w) * BLOCK + i) *
               load(weight + w * weight_stride + i);
      store(grad_x + i, sum);
    }
    merge(args, tile, t, grad_x);
  }
}

void store_parameters(const ConvArgs& args, const Task& task, int64_t k,
                      const float* grad_weight) {
  const int64_t width = round_up(task.width(), UNIT);
  const int64_t channel = (task.b * args.K + k) * args.D + task.begin;
  for (int64_t i = 0; i < task.width(); ++i)
    for (int64_t w = 0; w < args.W; ++w)
      args.grad_weight[(channel + i) * args.W + w] =
          grad_weight[w * width + i];
  if (args.grad_bias)
    std::memcpy(args.grad_bias + channel, grad_weight + args.W * width,
                task.width() * sizeof(float));
}

template <bool BACKWARD>
void run(const ConvArgs& args, const Task& task, const Buffers& buffers) {
  const int64_t width = round_up(task.width(), UNIT);
  for (int64_t k = 0; k < args.K; ++k) {
    load_weight(args, task, k, buffers.weight);
    if (BACKWARD)
      std::memset(buffers.grad_weight, 0,
                  (args.W + 1) * width * sizeof(float));
    for (int64_t begin = 0; begin < args.L; begin += CHUNK) {
      const int64_t end = min(begin + CHUNK, args.L);
      for (int64_t offset = 0; offset < task.width(); offset += BLOCK) {
        const Tile tile = {k, task.b, task.begin + offset,
                           min(BLOCK, task.width() - offset), offset};
        const float* weight = buffers.weight + offset;
        if (BACKWARD)
          backward_tile(args, tile, begin, end, weight, width, buffers);
        else
          forward_tile(args, tile, begin, end, weight, width, buffers);
      }
    }
    if (BACKWARD) store_parameters(args, task, k, buffers.grad_weight);
  }
}

}  // namespace

EXPORT(describe)(int64_t* description) {
  const int64_t values[] = {CHUNK, UNIT, sizeof(ConvArgs), sizeof(ScanArgs)};
  std::memcpy(description, values, sizeof(values));
  return OK;
}

EXPORT(causal_conv1d)(const ConvArgs* args) {
  return for_each_task<Buffers>(*args, run<false>);
}

EXPORT(causal_conv1d_backward)(const ConvArgs* args) {
  return for_each_task<Buffers>(*args, run<true>);
}
