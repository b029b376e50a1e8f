"""The sequence operators in ONNX's standard operators.

`torch.onnx.export(custom_translation_table=TRANSLATIONS)` writes them so.
Symbols as in `mmvideomamba/ops/reference.py`. Tensors of K directions are
(B, K, L, C) here, the batch first, and in scan order where a name says
`steps`.

The scan is one ONNX `Scan` for all directions, one token a step. Its state is
(B, K, N, D): with the channels last every operator of a step runs over long
rows, which stay in the caches. Several tokens a step, be it one by one, as an
associative scan or as products of matrices, take longer in onnxruntime, and so
does a scan of logarithmic depth: they write more states, or take more
exponentials. How many nodes the graph has does not depend on L.
"""

from typing import Any, Callable, Dict, Optional, Tuple

import torch
from onnxscript import FLOAT, graph, script
from onnxscript import opset18 as op

from ..ops import registration  # noqa: F401  it defines the operators

OPSET = 18  # the operators of this file are those of it
Value = Any  # a tensor of the graph that is written


@script(default_opset=op)
def scan_steps(
    delta: FLOAT[...],
    drive: FLOAT[...],
    A: FLOAT[...],
    B: FLOAT[...],
    C: FLOAT[...],
) -> FLOAT[...]:
    """y_t = C_t . s_t of s_t = exp(delta_t A) s_{t-1} + drive_t B_t.

    delta and drive are (B, K, L, 1, D), A is (K, N, D), B (B, K, L, N, 1) and
    C (B, K, L, 1, N); y is (B, K, L, 1, D).
    """

    @graph()
    def step(state, delta_t, drive_t, B_t, C_t):  # type: ignore
        new_state = op.Exp(delta_t * A) * state + drive_t * B_t
        y_t = op.MatMul(C_t, new_state)
        return new_state, y_t

    shape = op.Concat(op.Shape(B, start=0, end=1), op.Shape(A), axis=0)
    zeros = op.ConstantOfShape(shape)
    _, y = op.Scan(
        zeros,
        delta,
        drive,
        B,
        C,
        body=step,
        num_scan_inputs=4,
        scan_input_axes=[2, 2, 2, 2],
        scan_output_axes=[2],
    )
    return y


def causal_conv1d(
    x: Value,
    weight: Value,
    bias: Optional[Value],
    order: Optional[Value],
    activation: Optional[str],
) -> Value:
    """See `mmvideomamba.ops.causal_conv1d`."""
    K = weight.shape[0]
    steps = convolve(gather_steps(x, order, K), weight, bias, activation)
    parts = gather_tokens(steps, order, K)
    return op.Concat(*(op.Unsqueeze(part, [0]) for part in parts), axis=0)


def selective_scan(
    save: bool,
    u: Value,
    delta: Value,
    A: Value,
    B: Value,
    C: Value,
    D: Optional[Value],
    z: Optional[Value],
    delta_bias: Optional[Value],
    delta_softplus: bool,
    order: Optional[Value],
) -> Tuple[Value, Value]:
    """See `mmvideomamba.ops.selective_scan`."""
    K = A.shape[0]
    u, delta, B, C = (
        gather_steps_of_each(t, order, K) for t in (u, delta, B, C)
    )
    if delta_bias is not None:
        delta = op.Add(delta, op.Unsqueeze(delta_bias, [1]))
    if delta_softplus:
        delta = softplus(delta)
    y = scan(u, delta, A, B, C, D)
    return gate_sum(gather_tokens(y, order, K), z), nothing()


def mamba_inner(
    save: bool,
    xz: Value,
    conv_weight: Value,
    conv_bias: Value,
    x_proj: Value,
    dt_proj: Value,
    dt_bias: Value,
    A: Value,
    D: Value,
    order: Optional[Value],
) -> Tuple[Value, Value, Value, Value]:
    """See `mmvideomamba.ops.mamba_inner`; projections act in scan order."""
    K, _, R = dt_proj.shape
    N = A.shape[2]
    x, z = op.Split(xz, axis=2, num_outputs=2)
    u = convolve(gather_steps(x, order, K), conv_weight, conv_bias, 'silu')
    projected = op.MatMul(u, op.Transpose(x_proj, perm=[0, 2, 1]))
    dt, B, C = (
        op.Slice(projected, [start], [end], [3])
        for start, end in ((0, R), (R, R + N), (R + N, R + 2 * N))
    )
    delta = op.MatMul(dt, op.Transpose(dt_proj, perm=[0, 2, 1]))
    delta = softplus(op.Add(delta, op.Unsqueeze(dt_bias, [1])))
    y = scan(u, delta, A, B, C, D)
    out = gate_sum(gather_tokens(y, order, K), z)
    return out, nothing(), nothing(), nothing()


def gather_steps(x: Value, order: Optional[Value], K: int) -> Value:
    """(B, L, C) in token order -> (B, K, L, C), a scan of each direction."""
    if order is None:
        return op.Concat(*[op.Unsqueeze(x, [1])] * K, axis=1)
    return op.Gather(x, order, axis=1)


def gather_steps_of_each(x: Value, order: Optional[Value], K: int) -> Value:
    """(K, B, L, C) in token order -> (B, K, L, C) in scan order."""
    parts = (op.Gather(x, op.Constant(value_int=k), axis=0) for k in range(K))
    if order is not None:
        parts = (
            op.Gather(part, row, axis=1)
            for part, row in zip(parts, rows_of(order, K))
        )
    return op.Concat(*(op.Unsqueeze(part, [1]) for part in parts), axis=1)


def gather_tokens(
    steps: Value, order: Optional[Value], K: int
) -> Tuple[Value, ...]:
    """(B, K, L, C) in scan order -> K times (B, L, C) in token order."""
    parts = (
        op.Gather(steps, op.Constant(value_int=k), axis=1) for k in range(K)
    )
    if order is None:
        return tuple(parts)
    # The inverse of a permutation sorts it.
    length = op.Shape(order, start=1, end=2)
    _, inverse = op.TopK(order, length, axis=1, largest=0)
    return tuple(
        op.Gather(part, row, axis=1)
        for part, row in zip(parts, rows_of(inverse, K))
    )


def rows_of(order: Value, K: int) -> Tuple[Value, ...]:
    """The (L,) of each direction."""
    return tuple(
        op.Gather(order, op.Constant(value_int=k), axis=0) for k in range(K)
    )


def convolve(
    steps: Value,
    weight: Value,
    bias: Optional[Value],
    activation: Optional[str],
) -> Value:
    """(B, K, L, D) in scan order -> the same, convolved and activated."""
    K, D, W = weight.shape
    rows = op.Transpose(steps, perm=[0, 1, 3, 2])
    if bias is not None:
        bias = op.Reshape(bias, op.Constant(value_ints=[-1]))
    rows = op.Conv(
        op.Reshape(rows, op.Constant(value_ints=[0, K * D, -1])),
        op.Reshape(weight, op.Constant(value_ints=[K * D, 1, W])),
        bias,
        group=K * D,
        pads=[W - 1, 0],
    )
    rows = op.Reshape(rows, op.Constant(value_ints=[0, K, D, -1]))
    steps = op.Transpose(rows, perm=[0, 1, 3, 2])
    return silu(steps) if activation == 'silu' else steps


def scan(
    u: Value, delta: Value, A: Value, B: Value, C: Value, D: Optional[Value]
) -> Value:
    """The scan of (B, K, L, ...) in scan order, with the skip connection."""
    y = scan_steps(
        op.Unsqueeze(delta, [3]),
        op.Unsqueeze(op.Mul(delta, u), [3]),
        op.Transpose(A, perm=[0, 2, 1]),
        op.Unsqueeze(B, [4]),
        op.Unsqueeze(C, [3]),
    )
    y = op.Squeeze(y, [3])
    return y if D is None else op.Add(y, op.Mul(u, op.Unsqueeze(D, [1])))


def gate_sum(parts: Tuple[Value, ...], z: Optional[Value]) -> Value:
    """The sum of the directions, gated."""
    y = op.Sum(*parts)
    return y if z is None else op.Mul(y, silu(z))


def silu(x: Value) -> Value:
    return op.Mul(x, op.Sigmoid(x))


def softplus(x: Value) -> Value:
    """max(x, 0) + log(1 + exp(-|x|)): twice as fast as ONNX's `Softplus`."""
    small = op.Exp(op.Neg(op.Abs(x)))
    one = op.Constant(value_float=1.0)
    return op.Add(op.Relu(x), op.Log(op.Add(small, one)))


def nothing() -> Value:
    """What an operator keeps for its backward pass, which a graph has not."""
    return op.Constant(value_float=0.0)


TRANSLATIONS: Dict[Callable, Callable] = {
    torch.ops.mmvideomamba.causal_conv1d.default: causal_conv1d,
    torch.ops.mmvideomamba.selective_scan.default: selective_scan,
    torch.ops.mmvideomamba.mamba_inner.default: mamba_inner,
}
