"""Derivatives that no kernel has: right, or an error; never zero."""

import pytest
import torch
from test_operators import conv_inputs, inner_inputs, make_order, scan_inputs
from torch.autograd import forward_ad

from mmvideomamba.ops import (
    causal_conv1d,
    cpu,
    mamba_inner,
    rms_norm,
    selective_scan,
)

pytestmark = [
    pytest.mark.skipif(
        cpu.why_not('cpu') is not None, reason=str(cpu.why_not('cpu'))
    ),
    # torch's own, when torch.func.jvp is first called.
    pytest.mark.filterwarnings('ignore:`torch.jit'),
]

CASES = [
    (causal_conv1d, conv_inputs),
    (selective_scan, scan_inputs),
    (mamba_inner, inner_inputs),
    (rms_norm, lambda dtype: dict(x=torch.randn(2, 3), weight=torch.ones(3))),
]


@pytest.fixture(params=CASES, ids=lambda case: case[0].__name__)
def case(request):
    """A function by kernels and by the reference, and where it is taken."""
    operator, make = request.param
    torch.manual_seed(0)
    inputs = make(dtype=torch.float32)
    (name, x), *_ = inputs.items()
    options = {} if operator is rms_norm else dict(order=make_order(2, 7))
    if operator is selective_scan:
        options['delta_softplus'] = True

    def by(backend):
        def function(x):
            return operator(**{**inputs, name: x}, **options, backend=backend)

        return function

    return by('auto'), by('reference'), x


def test_forward_mode(case):
    auto, reference, x = case
    tangent = torch.randn_like(x)
    (expected,) = torch.autograd.grad(
        reference(leaf := x.clone().requires_grad_()).sum(), leaf
    )
    with forward_ad.dual_level():
        out = auto(forward_ad.make_dual(x, tangent))
        actual = forward_ad.unpack_dual(out).tangent
    torch.testing.assert_close(actual.sum(), (expected * tangent).sum())
    _, actual = torch.func.jvp(auto, (x,), (tangent,))
    torch.testing.assert_close(actual.sum(), (expected * tangent).sum())


def test_jacobians_and_gradients(case):
    auto, reference, x = case
    expected = torch.autograd.functional.jacobian(reference, x)
    for jacobian in (torch.func.jacfwd, torch.func.jacrev):
        torch.testing.assert_close(jacobian(auto)(x), expected)
    grad = torch.func.grad(lambda x: auto(x).sum())(x)
    summed = expected.flatten(0, -x.ndim - 1).sum(0)
    torch.testing.assert_close(grad, summed)


def test_vmap_then_backward(case):
    auto, reference, x = case
    batch = torch.stack([x, 2 * x, -x])
    results = []
    for function in (auto, reference):
        leaf = batch.clone().requires_grad_()
        out = torch.func.vmap(function)(leaf)
        results += [out, *torch.autograd.grad(out.square().sum(), leaf)]
    out, grad, expected_out, expected_grad = results
    torch.testing.assert_close(out, expected_out, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(grad, expected_grad, rtol=1e-4, atol=1e-5)


def test_per_sample_gradients():
    inner = inner_inputs(dtype=torch.float32)
    xz = inner.pop('xz')

    def loss(parameters, one):
        return mamba_inner(one[None], **parameters).square().sum()

    actual = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(
        inner, xz
    )
    leaves = {name: t.requires_grad_() for name, t in inner.items()}
    for i, one in enumerate(xz):
        expected = torch.autograd.grad(
            loss(leaves, one), list(leaves.values())
        )
        for name, grad in zip(leaves, expected):
            torch.testing.assert_close(
                actual[name][i], grad, rtol=1e-4, atol=1e-4
            )


def test_a_compiled_function_keeps_its_tangent():
    inputs = conv_inputs(dtype=torch.float32)
    x = inputs.pop('x')

    def tangent(x):
        def function(x):
            return causal_conv1d(x, **inputs)

        return torch.func.jvp(function, (x,), (torch.ones_like(x),))[1]

    compiled = torch.compile(tangent, backend='eager')
    torch.testing.assert_close(compiled(x), tangent(x))


def test_registered_operators_refuse_forward_mode():
    conv = conv_inputs(dtype=torch.float32)
    x = conv.pop('x')
    operator = torch.ops.mmvideomamba.causal_conv1d
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, x)
        with pytest.raises(RuntimeError, match='no forward-mode derivatives'):
            operator(dual, *conv.values(), None, 'silu')
    with pytest.raises(RuntimeError):
        torch.func.grad(
            lambda x: operator(x, *conv.values(), None, None).sum()
        )(x)
