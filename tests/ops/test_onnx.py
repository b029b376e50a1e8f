"""The operators in ONNX, run by onnxruntime, against the reference."""

import numpy as np
import pytest
import torch
from conftest import TOLERANCES, assert_within
from test_operators import conv_inputs, inner_inputs, make_order, scan_inputs

from mmvideomamba.deployment.formats import to_onnx
from mmvideomamba.ops import causal_conv1d, mamba_inner, selective_scan
from mmvideomamba.ops.cpu import binding

onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')
pytestmark = pytest.mark.skipif(
    binding.kernel_library.why_not() is not None, reason='takes the kernels'
)


class Call(torch.nn.Module):
    """An operator as a module of the tensors that depend on the clip."""

    def __init__(self, operator, fixed):
        super().__init__()
        self.operator, self.fixed = operator, fixed

    def forward(self, *args, backend='cpu'):
        fixed = {
            name: value.to(args[0].dtype)
            if torch.is_tensor(value) and value.is_floating_point()
            else value
            for name, value in self.fixed.items()
        }
        return self.operator(*args, **fixed, backend=backend)


def export(operator, inputs, names, **fixed):
    """The ONNX model of an operator, and its difference to the reference."""
    inputs = dict(inputs, **fixed)
    args = tuple(inputs.pop(name) for name in names)
    call = Call(operator, inputs)
    with torch.no_grad():
        model = to_onnx(torch.export.export(call, args))
        expected = call(*(t.double() for t in args), backend='reference')
    content = model.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content)
    names = [value.name for value in session.get_inputs()]
    arrays = dict(zip(names, (t.numpy() for t in args)))
    (actual,) = session.run(None, arrays)
    return model, torch.from_numpy(np.array(actual)), expected


def make(inputs, *shape, **options):
    return inputs(*shape, dtype=torch.float32, **options)


@pytest.mark.parametrize('K, has_order', [(3, True), (2, False)])
def test_mamba_inner(K, has_order):
    inputs = make(inner_inputs, K, L=9)
    order = make_order(K, 9) if has_order else None
    if not has_order:
        # Step sizes of hundreds: exp(x) overflows beyond 88.
        inputs['dt_bias'] = inputs['dt_bias'] * 200
    _, actual, expected = export(mamba_inner, inputs, ['xz'], order=order)
    assert actual.isfinite().all()
    assert_within(actual, expected, TOLERANCES[torch.float32][0])


def test_mamba_inner_has_as_many_nodes_for_any_length():
    counts = set()
    for L in (5, 40):
        inputs = make(inner_inputs, L=L)
        model, _, _ = export(
            mamba_inner, inputs, ['xz'], order=make_order(2, L)
        )
        nodes = model.model.graph.all_nodes()
        counts.add(tuple(sorted(node.op_type for node in nodes)))
    assert len(counts) == 1
    assert 'Scan' in counts.pop()


@pytest.mark.parametrize('whole', [True, False])
def test_selective_scan(whole):
    """With all arguments, and with those alone that it takes."""
    inputs = make(scan_inputs, 3, L=9)
    options = dict(delta_softplus=True, order=make_order(3, 9))
    if not whole:
        # Else exp(delta A) grows without bound.
        inputs['delta'] = inputs['delta'].abs()
        inputs = {name: inputs[name] for name in ('u', 'delta', *'ABC')}
        options = {}
    names = ['u', 'delta', 'B', 'C']
    inputs = {**inputs, **options}

    def scan(u, delta, B, C, A, **others):
        return selective_scan(u, delta, A, B, C, **others)

    _, actual, expected = export(scan, inputs, names)
    assert_within(actual, expected, TOLERANCES[torch.float32][0])


def test_causal_conv1d():
    inputs = make(conv_inputs, 3, L=9)
    order = make_order(3, 9)
    _, actual, expected = export(causal_conv1d, inputs, ['x'], order=order)
    assert_within(actual, expected, TOLERANCES[torch.float32][0])
