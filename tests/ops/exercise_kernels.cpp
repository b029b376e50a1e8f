// Calls every kernel at awkward sizes, in memory of exactly the tensors' size,
// for tools/sanitize_kernels.sh. Values are checked by tests/ops; here only
// that every result is a number.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "abi.h"

namespace {

// Numbers in their own allocation, so that a step outside is noticed.
class Tensor {
 public:
  Tensor(int64_t size, Dtype dtype = FLOAT32) : size_(size), dtype_(dtype) {
    void* data = nullptr;
    if (posix_memalign(&data, 64, size * item_size())) std::abort();
    data_.reset(data);
  }
  Tensor& fill(float low, float high) {
    for (int64_t i = 0; i < size_; ++i) {
      const float value = low + (high - low) * (std::rand() / (RAND_MAX + 1.f));
      if (dtype_ == FLOAT32)
        floats()[i] = value;
      else
        bfloat16s()[i] = reinterpret_cast<const uint32_t&>(value) >> 16;
    }
    return *this;
  }
  bool all_numbers() const {
    for (int64_t i = 0; i < size_; ++i) {
      uint32_t wide = static_cast<uint32_t>(0);
      if (dtype_ == FLOAT32)
        wide = reinterpret_cast<const uint32_t&>(floats()[i]);
      else
        wide = static_cast<uint32_t>(bfloat16s()[i]) << 16;
      if ((wide & 0x7f800000) == 0x7f800000) return false;
    }
    return true;
  }
  float* floats() const { return static_cast<float*>(data_.get()); }
  uint16_t* bfloat16s() const { return static_cast<uint16_t*>(data_.get()); }
  // As (k, b, l, columns), or (b, l, columns) if it is no larger, from
  // `column` on.
  Rows rows(int64_t b, int64_t l, int64_t columns, int64_t column = 0) const {
    char* data = static_cast<char*>(data_.get()) + column * item_size();
    const int64_t stride_k = size_ > b * l * columns ? b * l * columns : 0;
    return {data, stride_k, l * columns, columns, dtype_};
  }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  int64_t item_size() const { return dtype_ == FLOAT32 ? 4 : 2; }
  int64_t size_;
  Dtype dtype_;
  std::unique_ptr<void, Free> data_;
};

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

struct Sizes {
  int64_t K, B, L, D, N, W, threads, splits, rank = 5;
};

std::vector<int64_t> make_order(int64_t K, int64_t L) {
  std::vector<int64_t> order;
  for (int64_t k = 0; k < K; ++k)
    for (int64_t t = 0; t < L; ++t) order.push_back(k % 2 ? L - 1 - t : t);
  return order;
}

void exercise_scan(const Sizes& s, Dtype dtype, bool optional) {
  const int64_t K = s.K, B = s.B, L = s.L, D = s.D, N = s.N;
  std::vector<int64_t> order = make_order(K, L);
  const int64_t chunks = (L + CHUNK - 1) / CHUNK;
  const int64_t padded = (D + UNIT - 1) / UNIT * UNIT;
  Tensor u(K * B * L * D, dtype), delta(K * B * L * D, dtype);
  Tensor projected(K * B * L * (2 * N + 3), dtype), xz(B * L * 2 * D, dtype);
  Tensor a(K * D * N), skip(K * D), bias(K * D), out(B * L * D, dtype);
  Tensor states(K * B * (chunks - 1) * N * padded), sum(B * L * D);
  u.fill(-1, 1), delta.fill(-9, 9), projected.fill(-1, 1), xz.fill(-9, 9);
  a.fill(-90, 0), skip.fill(-1, 1), bias.fill(-9, 9);

  ScanArgs args = {};
  args.K = K, args.B = B, args.L = L, args.D = D, args.N = N;
  args.softplus = 1, args.threads = s.threads, args.splits = s.splits;
  args.order = optional ? order.data() : nullptr;
  args.u = u.rows(B, L, D), args.delta = delta.rows(B, L, D);
  args.b = projected.rows(B, L, 2 * N + 3, 3);
  args.c = projected.rows(B, L, 2 * N + 3, 3 + N);
  args.a = a.floats(), args.states = states.floats();
  args.sum = sum.rows(B, L, D);
  args.out = out.rows(B, L, D);
  if (optional) {
    args.z = xz.rows(B, L, 2 * D, D);
    args.skip = skip.floats(), args.delta_bias = bias.floats();
  }
  require(CONCAT(selective_scan, ISA)(&args) == OK, "scan failed");
  require(out.all_numbers(), "scan: NaN in the output");

  Tensor grad_u(K * B * L * D, dtype), grad_delta(K * B * L * D, dtype);
  Tensor grad_z(B * L * D, dtype);
  Tensor grad_b(s.splits * K * B * L * N), grad_c(s.splits * K * B * L * N);
  Tensor grad_a(B * K * D * N), grad_skip(B * K * D), grad_bias(B * K * D);
  args.grad_u = grad_u.rows(B, L, D),
  args.grad_delta = grad_delta.rows(B, L, D);
  args.grad_b = grad_b.floats(), args.grad_c = grad_c.floats();
  args.grad_a = grad_a.floats();
  if (optional) {
    args.grad_z = grad_z.rows(B, L, D);
    args.grad_skip = grad_skip.floats();
    args.grad_delta_bias = grad_bias.floats();
  }
  require(CONCAT(selective_scan_backward, ISA)(&args) == OK, "scan failed");
  for (const Tensor* t : {&grad_u, &grad_delta, &grad_b, &grad_c, &grad_a})
    require(t->all_numbers(), "scan: NaN in a gradient");
  if (optional)
    for (const Tensor* t : {&grad_z, &grad_skip, &grad_bias})
      require(t->all_numbers(), "scan: NaN in an optional gradient");

  if (optional && L > 1) {
    order[0] = L;
    require(CONCAT(selective_scan, ISA)(&args) == BAD_ORDER, "bad order");
  }
}

void exercise_conv(const Sizes& s, Dtype dtype, bool optional) {
  const int64_t K = s.K, B = s.B, L = s.L, D = s.D, W = s.W;
  std::vector<int64_t> order = make_order(K, L);
  Tensor xz(B * L * 2 * D, dtype), weight(K * D * W), bias(K * D);
  Tensor out(K * B * L * D, dtype), grad_x(B * L * D, dtype), sum(B * L * D);
  Tensor grad_weight(B * K * D * W), grad_bias(B * K * D);
  xz.fill(-9, 9), weight.fill(-1, 1), bias.fill(-1, 1);

  ConvArgs args = {};
  args.K = K, args.B = B, args.L = L, args.D = D, args.W = W;
  args.silu = optional, args.threads = s.threads, args.splits = s.splits;
  args.order = optional ? order.data() : nullptr;
  args.x = xz.rows(B, L, 2 * D);
  args.weight = weight.floats(), args.sum = sum.rows(B, L, D);
  args.bias = optional ? bias.floats() : nullptr;
  args.out = out.rows(B, L, D);
  require(CONCAT(causal_conv1d, ISA)(&args) == OK, "convolution failed");
  require(out.all_numbers(), "convolution: NaN in the output");

  args.grad_x = grad_x.rows(B, L, D), args.grad_weight = grad_weight.floats();
  args.grad_bias = optional ? grad_bias.floats() : nullptr;
  require(CONCAT(causal_conv1d_backward, ISA)(&args) == OK, "conv failed");
  require(grad_x.all_numbers() && grad_weight.all_numbers(),
          "convolution: NaN in a gradient");
  if (optional) require(grad_bias.all_numbers(), "convolution: NaN in bias");
}

void exercise_inner(const Sizes& s, Dtype dtype, bool ordered) {
  const int64_t K = s.K, B = s.B, L = s.L, D = s.D, N = s.N, W = s.W;
  const int64_t P = s.rank + 2 * N;
  std::vector<int64_t> order = make_order(K, L);
  const int64_t chunks = (L + CHUNK - 1) / CHUNK;
  const int64_t padded = (D + UNIT - 1) / UNIT * UNIT;
  Tensor xz(B * L * 2 * D, dtype), out(B * L * D, dtype), sum(B * L * D);
  Tensor weight(K * D * W), bias(K * D), x_proj(K * P * D);
  Tensor dt_proj(K * D * s.rank), dt_bias(K * D), a(K * D * N), skip(K * D);
  Tensor projected(K * B * L * P);
  Tensor states(K * B * (chunks - 1) * N * padded);
  xz.fill(-3, 3), weight.fill(-1, 1), bias.fill(-1, 1), x_proj.fill(-1, 1);
  dt_proj.fill(-1, 1), dt_bias.fill(-3, 3), a.fill(-9, 0), skip.fill(-1, 1);

  InnerArgs args = {};
  ConvArgs& conv = args.conv;
  conv.K = K, conv.B = B, conv.L = L, conv.D = D, conv.W = W, conv.silu = 1;
  conv.threads = s.threads, conv.splits = s.splits;
  conv.order = ordered ? order.data() : nullptr;
  conv.x = xz.rows(B, L, 2 * D), conv.weight = weight.floats();
  conv.bias = bias.floats();
  ScanArgs& scan = args.scan;
  scan.K = K, scan.B = B, scan.L = L, scan.D = D, scan.N = N;
  scan.softplus = 1, scan.threads = s.threads, scan.splits = s.splits;
  scan.order = conv.order, scan.z = xz.rows(B, L, 2 * D, D);
  scan.a = a.floats(), scan.skip = skip.floats();
  scan.delta_bias = dt_bias.floats(), scan.out = out.rows(B, L, D);
  scan.states = states.floats();
  scan.sum = dtype == FLOAT32 ? scan.out : K > 1 ? sum.rows(B, L, D) : Rows{};
  args.rank = s.rank, args.x_proj = x_proj.floats();
  args.dt_proj = dt_proj.floats(), args.projected = projected.floats();
  require(CONCAT(mamba_inner, ISA)(&args) == OK, "inner failed");
  require(out.all_numbers() && projected.all_numbers(), "inner: NaN");

  Tensor grad_xz(B * L * 2 * D, dtype), grad_sum(B * L * D);
  Tensor grad_weight(B * K * D * W), grad_bias(B * K * D);
  Tensor grad_a(B * K * D * N), grad_skip(B * K * D), grad_dt_bias(B * K * D);
  Tensor grad_x_proj(B * K * P * D), grad_dt_proj(B * K * s.rank * D);
  conv.grad_x = grad_xz.rows(B, L, 2 * D);
  conv.grad_weight = grad_weight.floats(), conv.grad_bias = grad_bias.floats();
  scan.grad_z = grad_xz.rows(B, L, 2 * D, D), scan.grad_a = grad_a.floats();
  if (dtype == FLOAT32) {
    scan.sum = scan.grad_z, conv.sum = conv.grad_x;
  } else if (K > 1) {
    conv.sum = grad_sum.rows(B, L, D);
  }
  scan.grad_skip = grad_skip.floats();
  scan.grad_delta_bias = grad_dt_bias.floats();
  args.grad_x_proj = grad_x_proj.floats();
  args.grad_dt_proj = grad_dt_proj.floats();
  require(CONCAT(mamba_inner_backward, ISA)(&args) == OK, "inner failed");
  for (const Tensor* t :
       {&grad_xz, &grad_weight, &grad_bias, &grad_a, &grad_skip, &grad_dt_bias,
        &grad_x_proj, &grad_dt_proj})
    require(t->all_numbers(), "inner: NaN in a gradient");
}

void exercise_norm(int64_t rows, int64_t columns, int64_t threads,
                   Dtype dtype) {
  Tensor x(rows * columns), weight(columns), scale(rows);
  Tensor out(rows * columns, dtype);
  Tensor grad_x(rows * columns), grad_weight(threads * columns);
  x.fill(-9, 9), weight.fill(-1, 1);
  NormArgs args = {};
  args.rows = rows, args.columns = columns, args.threads = threads;
  args.eps = 1e-5, args.x = x.floats(), args.weight = weight.floats();
  args.out = out.rows(1, rows, columns), args.scale = scale.floats();
  require(CONCAT(rms_norm, ISA)(&args) == OK, "norm failed");
  require(out.all_numbers() && scale.all_numbers(), "norm: NaN");
  args.grad_x = grad_x.floats(), args.grad_weight = grad_weight.floats();
  require(CONCAT(rms_norm_backward, ISA)(&args) == OK, "norm failed");
  require(grad_x.all_numbers() && grad_weight.all_numbers(),
          "norm: NaN in a gradient");
}

}  // namespace

int main() {
  const Sizes all[] = {
      {1, 1, 1, 1, 1, 1, 1, 1},       {2, 1, 33, 70, 16, 4, 2, 2},
      {1, 3, 17, 5, 3, 7, 3, 1},      {4, 2, 40, 130, 17, 2, 4, 3},
      {2, 1, 16, 64, 256, 40, 2, 4},  {3, 1, 5, 16, 16, 4, 5, 1},
      {2, 3, 150, 70, 5, 90, 2, 2},   {2, 1, 129, 150, 16, 4, 3, 3, 24},
      {1, 5, 70, 40, 7, 4, 2, 2, 17},
  };
  for (const Sizes& sizes : all)
    for (const Dtype dtype : {FLOAT32, BFLOAT16})
      for (const bool optional : {true, false}) {
        exercise_scan(sizes, dtype, optional);
        exercise_conv(sizes, dtype, optional);
        exercise_inner(sizes, dtype, optional);
      }
  for (const int64_t rows : {1, 2, 19})
    for (const int64_t columns : {1, 17, 64})
      for (const int64_t threads : {1, 3})
        for (const Dtype dtype : {FLOAT32, BFLOAT16})
          exercise_norm(rows, columns, threads, dtype);
#define NAME_(isa) #isa
#define NAME(isa) NAME_(isa)
  std::puts("clean: " NAME(ISA));
}
