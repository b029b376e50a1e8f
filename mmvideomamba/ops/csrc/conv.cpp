// Causal depthwise convolution, forward and backward.
//
// Each direction goes through its steps once, a whole row of the task's
// channels at a time; rows of float32 are read and written in place.
#include "conv.h"

namespace {

void conv_task(const ConvArgs& args, const Task& task, const ConvBuffers& at) {
  for (int64_t k = 0; k < args.K; ++k) {
    conv_load_parameters(args, task, k, at);
    at.x.clear();
    for (int64_t t = 0; t < args.L; ++t) {
      const int64_t offset = conv_offset(args, args.out, task, k, t);
      float* out = begin_row(args.out, offset, task.width(), at.row);
      conv_step(args, task, k, t, at, out);
      finish_row(args.out, offset, task.width(), out);
    }
  }
}

void conv_grad_task(const ConvArgs& args, const Task& task,
                    const ConvBuffers& at) {
  for (int64_t k = 0; k < args.K; ++k) {
    conv_load_parameters(args, task, k, at);
    conv_grad_clear(at);
    at.x.clear();
    at.grad.clear();
    for (int64_t t = 0; t < args.L + args.W - 1; ++t) {
      at.x.push(conv_row(args, args.x, task, k, t, at.x));
      float* grad = at.grad.buffer(t);
      if (t < args.L)
        conv_grad_step(args, task, at.x.rows,
                       conv_row(args, args.out, task, k, t, at.grad), grad, at);
      at.grad.push(t < args.L ? grad : at.grad.zeros);
      const int64_t known = t - (args.W - 1);
      if (known >= 0) conv_grad_store_x(args, task, k, known, at.grad.rows, at);
    }
    conv_grad_store_parameters(args, task, k, at);
  }
}

}  // namespace

EXPORT(causal_conv1d)(const ConvArgs* args) {
  return for_each_task<ConvBuffers>(*args, conv_task);
}

EXPORT(causal_conv1d_backward)(const ConvArgs* args) {
  return for_each_task<ConvBuffers>(*args, conv_grad_task);
}
