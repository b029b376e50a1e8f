// The plain C interface of the kernels. The ctypes binding mirrors the structs;
// abi.cpp lists their fields.
//
// Axes, as in reference.py: K directions, B batch, L tokens, D channels,
// N states, W width of the convolution. Parameters and their gradients are
// contiguous float32; everything with a token axis is a `Rows`.
#pragma once

#include <cstdint>

enum Dtype : int64_t { FLOAT32 = 0, BFLOAT16 = 1 };

enum Status { OK = 0, BAD_ORDER = 1, OUT_OF_MEMORY = 2 };

// A tensor (K, B, L, columns) whose columns are adjacent in memory; strides
// count elements and are zero along an axis that the tensor does not have.
struct Rows {
  void* data;
  int64_t stride_k, stride_b, stride_l;
  Dtype dtype;
};

struct ConvArgs {
  int64_t K, B, L, D, W;
  int64_t silu;          // apply SiLU to the sums
  int64_t threads;       // OpenMP threads
  int64_t splits;        // each batch element's channels go to so many tasks
  const int64_t* order;  // (K, L), the scan orders; null: token order
  Rows x;                // (B, L, D)
  const float* weight;   // (K, D, W)
  const float* bias;     // (K, D) or null
  Rows out;              // (K, B, L, D); backward: its gradient
  Rows grad_x;           // (B, L, D)
  Rows sum;              // (B, L, D), see `ScanArgs`
  float* grad_weight;    // (B, K, D, W), one partial sum per batch element
  float* grad_bias;      // (B, K, D) or null
};

struct ScanArgs {
  int64_t K, B, L, D, N;
  int64_t softplus;         // delta = softplus(delta + delta_bias)
  int64_t threads;          // OpenMP threads
  int64_t splits;           // each batch element's channels go to so many tasks
  const int64_t* order;     // (K, L), the scan orders; null: token order
  Rows u, delta;            // (K, B, L, D)
  Rows b, c;                // (K, B, L, N)
  Rows z;                   // (B, L, D); null data: no gate
  const float* a;           // (K, D, N)
  const float* skip;        // (K, D) or null
  const float* delta_bias;  // (K, D) or null
  Rows out;                 // (B, L, D); backward: its gradient
  // The state before each chunk but the first, (K, B, chunks - 1, units of D,
  // N, UNIT), aligned to 64 bytes; null where no gradient is needed.
  float* states;
  // (B, L, D) float32: the directions' sum until the last of them has arrived.
  // May be the memory of a float32 result (forward: out; backward: grad_z).
  Rows sum;

  // Backward only.
  Rows grad_u, grad_delta, grad_z;
  float* grad_b;           // (splits, K, B, L, N), partial sums
  float* grad_c;           // (splits, K, B, L, N)
  float* grad_a;           // (B, K, D, N)
  float* grad_skip;        // (B, K, D) or null
  float* grad_delta_bias;  // (B, K, D) or null
};

// Everything of a mixer between in_proj and out_proj: convolution, x_proj,
// dt_proj and scan. P = rank + 2 N: dt, B, C.
struct InnerArgs {
  ConvArgs conv;  // without out
  ScanArgs scan;  // without u, delta, b, c and their gradients
  int64_t rank;
  const float* x_proj;   // (K, P, D)
  const float* dt_proj;  // (K, D, rank)
  float* projected;      // (K, B, L, P), or null where nobody wants it

  // Backward only.
  float* grad_x_proj;   // (B, K, P, D), one partial sum per batch element
  float* grad_dt_proj;  // (B, K, rank, D)
};

// All contiguous, and float32 but for out.
struct NormArgs {
  int64_t rows, columns;
  int64_t threads;  // OpenMP threads
  double eps;
  const float* x;       // (rows, columns)
  const float* weight;  // (columns)
  Rows out;             // (rows, columns); backward: its gradient
  float* scale;         // (rows), 1 / the root of the mean square
  float* grad_x;        // (rows, columns)
  float* grad_weight;   // (threads, columns), partial sums
};

// Steps of the scan between two saved states.
constexpr int64_t CHUNK = 16;

// Channels that threads and saved states are never split within.
constexpr int64_t UNIT = 16;

// Every kernel is compiled once per instruction set, ISA in its name.
#define CONCAT_(a, b) a##_##b
#define CONCAT(a, b) CONCAT_(a, b)
#define EXPORT(name) \
  extern "C" __attribute__((visibility("default"))) int CONCAT(name, ISA)

// A constant, the size of a struct, or the offset of one of its fields, by
// name.
struct AbiEntry {
  const char* name;
  int64_t value;
};

// Points `entries` at the table of this file's constants and structs and
// returns its length, so that the binding refuses a library built from other
// sources.
EXPORT(describe_abi)(const AbiEntry** entries);
EXPORT(causal_conv1d)(const ConvArgs*);
EXPORT(causal_conv1d_backward)(const ConvArgs*);
EXPORT(selective_scan)(const ScanArgs*);
EXPORT(selective_scan_backward)(const ScanArgs*);
EXPORT(mamba_inner)(const InnerArgs*);
EXPORT(mamba_inner_backward)(const InnerArgs*);
EXPORT(rms_norm)(const NormArgs*);
EXPORT(rms_norm_backward)(const NormArgs*);
