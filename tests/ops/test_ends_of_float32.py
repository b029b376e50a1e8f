"""NaN and infinity: where the reference has them, on every instruction set."""

import pytest
import torch
import torch.nn.functional as F
from conftest import assert_within
from test_backends import run
from test_operators import conv_inputs, inner_inputs, scan_inputs

from mmvideomamba.ops import (
    causal_conv1d,
    cpu,
    mamba_inner,
    rms_norm,
    selective_scan,
)
from mmvideomamba.ops.cpu import binding

INF, NAN = float('inf'), float('nan')
ENDS = [INF, -INF, NAN, 1e16, -1e16, 3e38, -3e38]
SETS = ['baseline', 'avx2', 'avx512']


@pytest.fixture(params=SETS, autouse=True)
def instruction_set(request, monkeypatch):
    """Each that this processor has."""
    if cpu.why_not('cpu') is not None:
        pytest.skip(cpu.why_not('cpu'))
    if SETS.index(request.param) > SETS.index(binding.instruction_set()):
        pytest.skip(f'this processor has no {request.param}')
    monkeypatch.setattr(binding, 'instruction_set', lambda: request.param)


def assert_same_ends(actual, expected, what):
    """NaN and either infinity at the same places, numbers close."""
    for test in (torch.isnan, torch.isposinf, torch.isneginf):
        assert torch.equal(test(actual), test(expected)), what
    finite = expected.isfinite()
    if finite.any():
        assert_within(actual[finite], expected[finite], 1e-4, what)


def compare(operator, inputs, what, names=None, **options):
    expected = run(operator, inputs, backend='reference', **options)
    actual = run(operator, inputs, backend='cpu', **options)
    for name in names or expected:
        assert_same_ends(actual[name], expected[name], f'{what}: {name}')


def test_silu_of_anything():
    """As the gate, and after the convolution."""
    z = torch.tensor([*ENDS, 88.0, -88.0, 200.0, -200.0, 0.0, -1e30])
    inputs = scan_inputs(1, 1, len(z), 16, 1, dtype=torch.float32)
    inputs['z'] = z[None, :, None].expand(1, len(z), 16)
    inputs['u'] = torch.ones_like(inputs['u'])
    inputs['delta'] -= 30
    inputs['D'] = torch.ones(1, 16)
    out = selective_scan(**inputs, delta_softplus=True, backend='cpu')
    torch.testing.assert_close(out[0, :, 0], F.silu(z), equal_nan=True)
    x = z[None, :, None].repeat(1, 1, 16)
    out = causal_conv1d(x, torch.ones(1, 16, 1), backend='cpu')
    torch.testing.assert_close(out[0], F.silu(x), equal_nan=True)


@pytest.mark.parametrize('N', [3, 16])
@pytest.mark.parametrize('value', ENDS[:5])
def test_one_number_at_the_end_of_each_input(value, N):
    """Padding, of states here, may not make NaN of infinity."""
    for name in scan_inputs():
        inputs = scan_inputs(1, 1, 5, 16, N, dtype=torch.float32)
        inputs[name].view(-1)[5] = value
        what = f'{name} of {value}'
        compare(selective_scan, inputs, what, delta_softplus=True)


@pytest.mark.parametrize('value', ENDS[:3])
def test_a_vector_that_the_channels_do_not_fill(value):
    """A sum over one channel is infinite where its term is."""
    for name in ('B', 'C'):
        inputs = scan_inputs(1, 1, 5, 1, 4, dtype=torch.float32)
        inputs[name][0, 0, 2, 1] = value
        compare(
            selective_scan,
            inputs,
            f'{name} of {value}',
            delta_softplus=True,
        )


@pytest.mark.parametrize('rate', [-1e16, -3e38])
def test_states_that_vanish_at_once(rate):
    inputs = scan_inputs(1, 1, 5, 16, 16, dtype=torch.float32)
    inputs['A'][0, 5] = rate
    compare(selective_scan, inputs, f'{rate}', delta_softplus=True)


@pytest.mark.parametrize('value', ENDS[:5])
def test_without_optional_arguments(value):
    for name in ('u', 'delta', 'B'):
        inputs = scan_inputs(1, 1, 5, 16, 16, dtype=torch.float32)
        inputs.update(D=None, z=None, delta_bias=None)
        inputs[name].view(-1)[5] = value
        compare(
            selective_scan, inputs, f'{name} of {value}', delta_softplus=True
        )


@pytest.mark.parametrize('rate', [87.0, 88.5, 89.0, 130.0, 1e4, 1e17, 3e38])
def test_growing_states_end_in_infinity(rate):
    """A diverged model must not look sound."""
    inputs = scan_inputs(1, 1, 4, 16, 4, dtype=torch.float32)
    inputs['delta'] = torch.ones_like(inputs['delta'])
    inputs['u'] = torch.ones_like(inputs['u']) * 1e-3
    inputs['B'], inputs['C'] = inputs['B'].abs(), inputs['C'].abs()
    inputs['A'][0, 3, 1] = rate
    inputs.update(delta_bias=None, z=None)
    expected, actual = (
        selective_scan(**inputs, backend=name) for name in ('reference', 'cpu')
    )
    assert not expected.isfinite().all()
    assert_same_ends(actual, expected, f'{rate}')


def test_a_decay_of_infinite_delta():
    inputs = scan_inputs(1, 1, 18, 16, 16, dtype=torch.float32)
    inputs['delta'][0, 0, 7] = INF
    inputs['u'][0, 0, 7] = 0
    compare(selective_scan, inputs, 'NaN', delta_softplus=True)


# The third powers that a mixer takes are still finite.
@pytest.mark.parametrize('value', [INF, -INF, NAN, 1e10, -1e10])
def test_convolution_and_mixer(value):
    for name in conv_inputs():
        inputs = conv_inputs(1, 1, 5, 16, dtype=torch.float32)
        inputs[name].view(-1)[5] = value
        for activation in ('silu', None):
            what = f'{name} of {value}'
            compare(causal_conv1d, inputs, what, activation=activation)
    for name in inner_inputs():
        inputs = inner_inputs(1, 1, 5, 16, 16, dtype=torch.float32)
        inputs[name].view(-1)[5] = value
        compare(mamba_inner, inputs, f'{name} of {value}', ['out'])


@pytest.mark.parametrize('value', ENDS)
def test_norm(value):
    x = torch.randn(3, 20)
    x[1, 4] = value
    weight = torch.randn(20)
    torch.testing.assert_close(
        rms_norm(x, weight, 1e-5),
        F.rms_norm(x, (20,), weight, 1e-5),
        equal_nan=True,
    )
