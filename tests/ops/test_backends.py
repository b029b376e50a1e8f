"""Every backend that runs here against the float64 reference.

Values and all gradients, at sizes that divide nothing, along any order, from
strided memory, and with `torch.empty` poisoned by NaN.
"""

import pytest
import torch
from conftest import TOLERANCES, assert_within
from hypothesis import given, settings
from hypothesis import strategies as st
from test_operators import (
    conv_inputs,
    inner_inputs,
    make_order,
    scan_inputs,
)

from mmvideomamba.ops import causal_conv1d, mamba_inner, selective_scan

SCAN_SIZES = [
    dict(K=1, B=1, L=1, D=1, N=1),
    dict(K=1, B=3, L=17, D=5, N=3),
    dict(K=2, B=1, L=33, D=34, N=16),
    dict(K=4, B=2, L=16, D=16, N=17),
]


def run(operator, inputs, **options):
    """The output and the gradient of every tensor, by name."""
    leaves = {
        name: t.detach().requires_grad_()
        for name, t in inputs.items()
        if t is not None
    }
    out = operator(**{**inputs, **leaves}, **options)
    # The same weights for every dtype; rounding them is not under test.
    generator = torch.Generator().manual_seed(7)
    weights = torch.randn(out.shape, generator=generator).bfloat16()
    gradients = torch.autograd.grad(out, leaves.values(), weights.to(out))
    return dict(zip(['out', *leaves], [out.detach(), *gradients]))


def compare(operator, inputs, backend, slack=1, **options):
    actual = run(operator, inputs, backend=backend, **options)
    wide = {
        name: None if t is None else t.double() for name, t in inputs.items()
    }
    expected = run(operator, wide, backend='reference', **options)
    dtype = actual['out'].dtype
    out_tolerance, grad_tolerance = TOLERANCES[dtype]
    for name, value in actual.items():
        is_output = name == 'out'
        tolerance = out_tolerance if is_output else grad_tolerance
        tolerance *= slack
        assert_within(value, expected[name], tolerance, name)
        assert value.dtype == (dtype if is_output else inputs[name].dtype)


@pytest.mark.parametrize('dtype', list(TOLERANCES))
@pytest.mark.parametrize('sizes', SCAN_SIZES)
def test_scan_agrees(backend, sizes, dtype, nan_poison):
    order = make_order(sizes['K'], sizes['L'])
    inputs = scan_inputs(**sizes, dtype=dtype)
    # Triton's interpreter cuts numbers off where a GPU rounds them.
    slack = 2 if (backend, dtype) == ('triton', torch.bfloat16) else 1
    compare(
        selective_scan,
        inputs,
        backend,
        slack,
        order=order,
        delta_softplus=True,
    )


@pytest.mark.parametrize('dtype', list(TOLERANCES))
@pytest.mark.parametrize('K, W', [(1, 1), (2, 4), (4, 7)])
def test_conv_agrees(backend, K, W, dtype, nan_poison):
    inputs = conv_inputs(K=K, L=19, D=21, W=W, dtype=dtype)
    compare(causal_conv1d, inputs, backend, order=make_order(K, 19))


def inner_slack(dtype):
    """The products between the operators take 16-bit precision too."""
    return 5 if dtype.itemsize == 2 else 1


INNER_SIZES = [
    dict(K=1, B=1, L=1, D=1, N=1, R=1, W=1),
    dict(K=3, B=3, L=17, D=5, N=3, R=7, W=6),
    dict(K=2, B=1, L=33, D=34, N=16, R=3, W=4),
]


@pytest.mark.parametrize('dtype', list(TOLERANCES))
@pytest.mark.parametrize('sizes', INNER_SIZES)
def test_inner_agrees(backend, sizes, dtype, nan_poison):
    order = make_order(sizes['K'], sizes['L'])
    inputs = inner_inputs(**sizes, dtype=dtype)
    compare(mamba_inner, inputs, backend, inner_slack(dtype), order=order)


def test_inner_without_an_order_visits_the_tokens_as_they_are(backend):
    inputs = inner_inputs(dtype=torch.float32)
    order = torch.arange(7).expand(2, 7)
    actual, expected = (
        run(mamba_inner, inputs, order=one, backend=backend)
        for one in (None, order)
    )
    for name, value in expected.items():
        assert torch.equal(actual[name], value), name


@settings(max_examples=12, derandomize=True, deadline=None, database=None)
@given(
    K=st.integers(1, 3),
    B=st.integers(1, 3),
    L=st.integers(1, 40),
    D=st.integers(1, 40),
    N=st.integers(1, 20),
    R=st.integers(1, 9),
    W=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_any_sizes_agree_on_the_cpu(K, B, L, D, N, R, W, seed):
    scan = scan_inputs(K, B, L, D, N, torch.float32, seed)
    order = make_order(K, L)
    compare(selective_scan, scan, 'auto', order=order, delta_softplus=True)
    conv = conv_inputs(K, B, L, D, W, torch.float32, seed)
    compare(causal_conv1d, conv, 'auto', order=order)
    inner = inner_inputs(K, B, L, D, N, R, W, torch.float32, seed)
    compare(mamba_inner, inner, 'auto', order=order)


@pytest.mark.parametrize('absent', ['D', 'z', 'delta_bias'])
def test_scan_without_an_optional_argument(backend, absent):
    inputs = dict(scan_inputs(dtype=torch.float32), **{absent: None})
    compare(selective_scan, inputs, backend, delta_softplus=True)


def test_scan_of_plain_delta(backend):
    inputs = scan_inputs(dtype=torch.float32)
    inputs['delta'] = inputs['delta'].abs()
    inputs['delta_bias'] = None
    compare(selective_scan, inputs, backend, order=make_order(2, 7))


def test_conv_without_bias_or_activation(backend):
    inputs = dict(conv_inputs(dtype=torch.float32), bias=None)
    compare(causal_conv1d, inputs, backend, activation=None)


def test_memory_is_read_as_it_lies(backend):
    """x and z are halves of in_proj's output; B and C parts of x_proj's."""
    torch.manual_seed(0)
    K, B, L, D, N, R = 2, 2, 18, 20, 4, 3
    inputs = scan_inputs(K, B, L, D, N, torch.float32)
    x, inputs['z'] = torch.randn(B, L, 2 * D).chunk(2, dim=-1)
    projected = torch.randn(K, B, L, R + 2 * N)
    _, inputs['B'], inputs['C'] = projected.split([R, N, N], dim=-1)
    inputs['u'] = torch.randn(B, K, D, L).permute(1, 0, 3, 2)
    inputs['delta'] = torch.randn(1, B, L, D).expand(K, B, L, D)
    inputs['A'] = -torch.rand(K, N, D).transpose(1, 2)
    order = make_order(K, L)
    compare(selective_scan, inputs, backend, order=order, delta_softplus=True)
    conv = dict(conv_inputs(K, B, L, D, dtype=torch.float32), x=x)
    compare(causal_conv1d, conv, backend, order=order)


def test_the_batch_may_lie_innermost(backend):
    """PyTorch's `cat` and `pad` keep such a layout, as for images."""
    K, B, L, D, N = 2, 3, 9, 20, 3
    inputs = scan_inputs(K, B, L, D, N, torch.float32)
    for name in ('u', 'delta', 'B', 'C'):
        innermost = inputs[name].permute(0, 2, 3, 1).contiguous()
        inputs[name] = innermost.permute(0, 3, 1, 2)
    compare(selective_scan, inputs, backend, delta_softplus=True)


@pytest.mark.parametrize('axis', 'DN')
def test_channels_or_states_may_be_missing(backend, axis):
    if (backend, axis) == ('mamba_ssm', 'N'):
        pytest.skip('its kernels want states')
    sizes = {axis: 0, 'dtype': torch.float32}
    for operator, inputs in (
        (selective_scan, scan_inputs(**sizes)),
        (mamba_inner, inner_inputs(**sizes)),
    ):
        compare(operator, inputs, backend)


def test_a_batch_may_be_empty(backend):
    for operator, inputs in (
        (selective_scan, scan_inputs(B=0, dtype=torch.float32)),
        (causal_conv1d, conv_inputs(B=0, dtype=torch.float32)),
        (mamba_inner, inner_inputs(B=0, dtype=torch.float32)),
    ):
        actual, expected = (
            run(operator, inputs, order=make_order(2, 7), backend=name)
            for name in (backend, 'reference')
        )
        # Parameters have gradients, of zero.
        for name, value in expected.items():
            assert torch.equal(actual[name], value), name


def test_the_incoming_gradient_may_be_strided(backend):
    inputs = scan_inputs(dtype=torch.float32)
    gradients = []
    for strided in (False, True):
        u = inputs['u'].detach().requires_grad_()
        out = selective_scan(
            **dict(inputs, u=u), delta_softplus=True, backend=backend
        )
        weights = torch.arange(out.numel()).view_as(out).float()
        if strided:
            weights = weights.transpose(0, 2).contiguous().transpose(0, 2)
        gradients += torch.autograd.grad(out, u, weights)
    assert torch.equal(*gradients)


@pytest.mark.parametrize('shift', [-30.0, -8.0, 8.0, 40.0])
def test_tiny_and_large_steps(backend, shift):
    """delta from 1e-13, where decays round to one, to where they vanish."""
    inputs = scan_inputs(L=18, dtype=torch.float32)
    inputs['delta'] += shift
    compare(selective_scan, inputs, backend, delta_softplus=True)


def test_a_decay_near_one_keeps_its_slope(backend):
    """A relative error of the decay would grow with the sequence."""
    inputs = scan_inputs(K=1, B=1, L=600, D=2, N=2, dtype=torch.float32)
    inputs['delta'] = torch.full_like(inputs['delta'], 0.003)
    inputs['u'] = torch.ones_like(inputs['u'])
    inputs['delta_bias'] = None
    out = selective_scan(**inputs, backend=backend)
    wide = {k: None if t is None else t.double() for k, t in inputs.items()}
    expected = selective_scan(**wide, backend='reference')
    assert_within(out, expected, TOLERANCES[torch.float32][0])


def test_nan_reaches_only_what_comes_after(backend):
    """The same channel of the same sequence, from its step on."""
    inputs = scan_inputs(K=1, B=2, L=20, D=3, dtype=torch.float32)
    order = make_order(3, 20)[2:]
    clean = selective_scan(**inputs, order=order, backend=backend)
    inputs['u'] = inputs['u'].clone()
    inputs['u'][0, 1, order[0, 9], 2] = float('nan')
    out = selective_scan(**inputs, order=order, backend=backend)
    after = torch.zeros_like(out, dtype=torch.bool)
    after[1, order[0, 9:], 2] = True
    assert torch.equal(out.isnan(), after)
    assert torch.equal(out[~after], clean[~after])

    inputs = conv_inputs(K=1, L=20, dtype=torch.float32)
    inputs['x'][1, order[0, 9], 2] = float('nan')
    out = causal_conv1d(**inputs, order=order, backend=backend)
    seen = torch.zeros_like(out, dtype=torch.bool)
    seen[0, 1, order[0, 9:13], 2] = True
    assert torch.equal(out.isnan(), seen)


def test_runs_agree_bit_for_bit(backend):
    inputs = scan_inputs(L=19, D=40, dtype=torch.float32)
    conv = conv_inputs(L=19, D=40, dtype=torch.float32)
    order = make_order(2, 19)
    for operator, tensors, options in (
        (selective_scan, inputs, dict(delta_softplus=True)),
        (causal_conv1d, conv, {}),
    ):
        first, second = (
            run(operator, tensors, order=order, backend=backend, **options)
            for _ in range(2)
        )
        for name, value in first.items():
            assert torch.equal(value, second[name]), name


def test_autocast_changes_nothing(backend):
    inputs = scan_inputs(dtype=torch.float32)
    conv = conv_inputs(dtype=torch.float32)
    expected = selective_scan(**inputs, backend=backend)
    expected_conv = causal_conv1d(**conv, backend=backend)
    with torch.autocast('cpu', torch.bfloat16):
        out = selective_scan(**inputs, backend=backend)
        out_conv = causal_conv1d(**conv, backend=backend)
    assert torch.equal(out, expected)
    assert torch.equal(out_conv, expected_conv)


def test_float32_parameters_beside_bfloat16_data(backend):
    inputs = scan_inputs(dtype=torch.bfloat16)
    assert inputs['A'].dtype == torch.float32
    gradients = run(selective_scan, inputs, backend=backend)
    assert gradients['A'].dtype == gradients['D'].dtype == torch.float32
    assert gradients['u'].dtype == torch.bfloat16
