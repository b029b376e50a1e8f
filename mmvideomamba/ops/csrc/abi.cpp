// The library describes its plain C interface, abi.h, so that the binding can
// compare each field by name: sizes alone would not show two swapped pointers.
#include "abi.h"

#include <cstddef>

#define CONSTANT(name) {#name, name}
#define SIZE(type) {#type, sizeof(type)}
#define FIELD(type, name) {#type "." #name, offsetof(type, name)}

namespace {

const AbiEntry ENTRIES[] = {
    CONSTANT(CHUNK),
    CONSTANT(UNIT),
    CONSTANT(FLOAT32),
    CONSTANT(BFLOAT16),

    SIZE(Rows),
    FIELD(Rows, data),
    FIELD(Rows, stride_k),
    FIELD(Rows, stride_b),
    FIELD(Rows, stride_l),
    FIELD(Rows, dtype),

    SIZE(ConvArgs),
    FIELD(ConvArgs, K),
    FIELD(ConvArgs, B),
    FIELD(ConvArgs, L),
    FIELD(ConvArgs, D),
    FIELD(ConvArgs, W),
    FIELD(ConvArgs, silu),
    FIELD(ConvArgs, threads),
    FIELD(ConvArgs, splits),
    FIELD(ConvArgs, order),
    FIELD(ConvArgs, x),
    FIELD(ConvArgs, weight),
    FIELD(ConvArgs, bias),
    FIELD(ConvArgs, out),
    FIELD(ConvArgs, grad_x),
    FIELD(ConvArgs, sum),
    FIELD(ConvArgs, grad_weight),
    FIELD(ConvArgs, grad_bias),

    SIZE(ScanArgs),
    FIELD(ScanArgs, K),
    FIELD(ScanArgs, B),
    FIELD(ScanArgs, L),
    FIELD(ScanArgs, D),
    FIELD(ScanArgs, N),
    FIELD(ScanArgs, softplus),
    FIELD(ScanArgs, threads),
    FIELD(ScanArgs, splits),
    FIELD(ScanArgs, order),
    FIELD(ScanArgs, u),
    FIELD(ScanArgs, delta),
    FIELD(ScanArgs, b),
    FIELD(ScanArgs, c),
    FIELD(ScanArgs, z),
    FIELD(ScanArgs, a),
    FIELD(ScanArgs, skip),
    FIELD(ScanArgs, delta_bias),
    FIELD(ScanArgs, out),
    FIELD(ScanArgs, states),
    FIELD(ScanArgs, sum),
    FIELD(ScanArgs, grad_u),
    FIELD(ScanArgs, grad_delta),
    FIELD(ScanArgs, grad_z),
    FIELD(ScanArgs, grad_b),
    FIELD(ScanArgs, grad_c),
    FIELD(ScanArgs, grad_a),
    FIELD(ScanArgs, grad_skip),
    FIELD(ScanArgs, grad_delta_bias),

    SIZE(InnerArgs),
    FIELD(InnerArgs, conv),
    FIELD(InnerArgs, scan),
    FIELD(InnerArgs, rank),
    FIELD(InnerArgs, x_proj),
    FIELD(InnerArgs, dt_proj),
    FIELD(InnerArgs, projected),
    FIELD(InnerArgs, grad_x_proj),
    FIELD(InnerArgs, grad_dt_proj),

    SIZE(NormArgs),
    FIELD(NormArgs, rows),
    FIELD(NormArgs, columns),
    FIELD(NormArgs, threads),
    FIELD(NormArgs, eps),
    FIELD(NormArgs, x),
    FIELD(NormArgs, weight),
    FIELD(NormArgs, out),
    FIELD(NormArgs, scale),
    FIELD(NormArgs, grad_x),
    FIELD(NormArgs, grad_weight),
};

}  // namespace

EXPORT(describe_abi)(const AbiEntry** entries) {
  *entries = ENTRIES;
  return sizeof(ENTRIES) / sizeof(*ENTRIES);
}
