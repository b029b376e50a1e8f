"""The operators: the reference against the equations, backends against it."""

import math

import pytest
import torch
import torch.nn.functional as F
from conftest import TOLERANCES, assert_within

from mmvideomamba.ops import (
    causal_conv1d,
    choose_backend,
    mamba_inner,
    selective_scan,
)


def make_order(K, L):
    """Token order, its reversal, then random orders."""
    orders = [torch.arange(L), torch.arange(L).flip(0)]
    orders += [torch.randperm(L) for _ in range(K - 2)]
    return torch.stack(orders[:K])


def scan_inputs(K=2, B=2, L=7, D=3, N=4, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    inputs = dict(
        u=torch.randn(K, B, L, D),
        delta=torch.randn(K, B, L, D),
        A=-torch.rand(K, D, N) * N - 0.1,
        B=torch.randn(K, B, L, N),
        C=torch.randn(K, B, L, N),
        D=torch.randn(K, D),
        z=torch.randn(B, L, D),
        delta_bias=torch.randn(K, D),
    )
    # Parameters stay float32 under mixed precision.
    wide = torch.promote_types(dtype, torch.float32)
    return {
        name: t.to(wide if name in ('A', 'D', 'delta_bias') else dtype)
        for name, t in inputs.items()
    }


def conv_inputs(K=2, B=2, L=7, D=3, W=4, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    wide = torch.promote_types(dtype, torch.float32)
    return dict(
        x=torch.randn(B, L, D).to(dtype),
        weight=torch.randn(K, D, W).to(wide),
        bias=torch.randn(K, D).to(wide),
    )


def inner_inputs(
    K=2, B=2, L=7, D=3, N=4, R=2, W=4, dtype=torch.float64, seed=0
):
    torch.manual_seed(seed)
    wide = torch.promote_types(dtype, torch.float32)
    inputs = dict(
        conv_weight=torch.randn(K, D, W) / max(W, 1) ** 0.5,
        conv_bias=torch.randn(K, D),
        x_proj=torch.randn(K, R + 2 * N, D) / max(D, 1) ** 0.5,
        dt_proj=torch.randn(K, D, R) / R**0.5,
        dt_bias=torch.randn(K, D),
        A=-torch.rand(K, D, N) * N - 0.1,
        D=torch.randn(K, D),
    )
    return dict(
        xz=torch.randn(B, L, 2 * D).to(dtype),
        **{name: t.to(wide) for name, t in inputs.items()},
    )


def scan_by_the_equations(u, delta, A, B, C, D, z, delta_bias, order):
    """Equations 1 to 3 of the paper, one number at a time."""
    K, batch, L, channels = u.shape
    out = torch.zeros(batch, L, channels, dtype=u.dtype)
    for k in range(K):
        for b in range(batch):
            for d in range(channels):
                state = [0.0] * A.shape[2]
                for token in order[k].tolist():
                    raw = (delta[k, b, token, d] + delta_bias[k, d]).item()
                    step = math.log1p(math.exp(raw))
                    x = u[k, b, token, d].item()
                    y = D[k, d].item() * x
                    for n in range(A.shape[2]):
                        A_bar = math.exp(step * A[k, d, n].item())
                        B_bar = step * B[k, b, token, n].item()
                        state[n] = A_bar * state[n] + B_bar * x
                        y += C[k, b, token, n].item() * state[n]
                    out[b, token, d] += y
    return out * z * torch.sigmoid(z)


def test_scan_computes_the_equations(backend):
    inputs = scan_inputs(K=3)
    order = make_order(3, 7)
    expected = scan_by_the_equations(**inputs, order=order)
    actual = selective_scan(
        **{name: t.float() for name, t in inputs.items()},
        delta_softplus=True,
        order=order,
        backend=backend,
    )
    assert_within(actual, expected, TOLERANCES[torch.float32][0])


def test_conv_meets_only_the_tokens_visited_before(backend):
    x = torch.tensor([1.0, 10.0, 100.0, 1000.0]).view(1, 4, 1)
    weight = torch.tensor([[[2.0, 1.0]], [[2.0, 1.0]]])
    bias = torch.tensor([[0.5], [0.0]])
    order = torch.tensor([[0, 1, 2, 3], [2, 0, 3, 1]])
    out = causal_conv1d(x, weight, bias, order, None, backend=backend)
    assert out[0, 0, :, 0].tolist() == [1.5, 12.5, 120.5, 1200.5]
    # visits 2, 0, 3, 1: token 0 sees token 2, 3 sees 0, 1 sees 3
    assert out[1, 0, :, 0].tolist() == [201.0, 2010.0, 100.0, 1002.0]


def test_conv_activation_is_silu(backend):
    inputs = conv_inputs(dtype=torch.float32)
    linear = causal_conv1d(**inputs, activation=None, backend=backend)
    silu = causal_conv1d(**inputs, backend=backend)
    assert_within(silu, F.silu(linear), TOLERANCES[torch.float32][0])


def test_reference_gradients_in_float64():
    scan = {k: t.requires_grad_() for k, t in scan_inputs(L=5).items()}
    order = make_order(2, 5)
    assert torch.autograd.gradcheck(
        lambda *tensors: selective_scan(
            *tensors, True, order, backend='reference'
        ),
        tuple(scan.values()),
    )
    conv = {k: t.requires_grad_() for k, t in conv_inputs(L=5).items()}
    assert torch.autograd.gradcheck(
        lambda *tensors: causal_conv1d(*tensors, order, backend='reference'),
        tuple(conv.values()),
    )


def test_bad_arguments_name_what_was_expected_and_what_came():
    inputs = scan_inputs()
    with pytest.raises(ValueError, match=r'B: expected \(K, B, L, N\) = '):
        selective_scan(**dict(inputs, B=inputs['B'][..., :2]))
    with pytest.raises(ValueError, match=r'at least one token'):
        selective_scan(**scan_inputs(L=0))
    with pytest.raises(ValueError, match=r'order: expected \(K, L\)'):
        selective_scan(**inputs, order=torch.zeros(2, 6, dtype=torch.int64))
    with pytest.raises(ValueError, match='at least one direction'):
        selective_scan(**scan_inputs(K=0))
    with pytest.raises(ValueError, match='one device, got cpu and meta'):
        selective_scan(
            **{**scan_inputs(), 'z': torch.empty(2, 7, 3).to('meta')}
        )
    with pytest.raises(ValueError, match=r'int64, got torch.int32'):
        selective_scan(**inputs, order=make_order(2, 7).int())
    conv = conv_inputs()
    with pytest.raises(ValueError, match=r'bias: expected \(K, D\)'):
        causal_conv1d(**dict(conv, bias=torch.zeros(2, 4)))
    with pytest.raises(ValueError, match="got 'relu'"):
        causal_conv1d(**conv, activation='relu')
    with pytest.raises(ValueError, match='at least one token'):
        causal_conv1d(**conv_inputs(L=0))
    inner = inner_inputs()
    with pytest.raises(ValueError, match=r'xz: expected \(B, L, 2D\) = '):
        mamba_inner(**dict(inner, xz=inner['xz'][..., :5]))
    with pytest.raises(ValueError, match=r'x_proj: expected \(K, P, D\) = '):
        mamba_inner(**dict(inner, x_proj=inner['x_proj'][:, 1:]))
    with pytest.raises(ValueError, match='at least one token'):
        mamba_inner(**inner_inputs(L=0))
    with pytest.raises(ValueError, match='at least one tap'):
        mamba_inner(**inner_inputs(W=0))
    with pytest.raises(ValueError, match='at least one tap'):
        causal_conv1d(**conv_inputs(W=0))


def test_unknown_backend_is_an_error():
    with pytest.raises(ValueError, match="'fast', expected one of 'auto'"):
        choose_backend('fast', torch.device('cpu'))
