"""What the scan is measured against computes the same."""

import sys

import torch
from conftest import TOLERANCES, assert_within

from mmvideomamba.benchmark.scan_baselines import BASELINES
from mmvideomamba.ops import mamba_ssm, selective_scan


def scan_inputs(K=2, B=2, L=7, D=3, N=4):
    torch.manual_seed(0)
    return dict(
        u=torch.randn(K, B, L, D),
        delta=torch.randn(K, B, L, D),
        A=-torch.rand(K, D, N) - 0.1,
        B=torch.randn(K, B, L, N),
        C=torch.randn(K, B, L, N),
        D=torch.randn(K, D),
        z=torch.randn(B, L, D),
        delta_bias=torch.randn(K, D),
    )


def test_mamba_ssm_called_twice_with_flips(installed):
    """Against the stand-in, which insists on mamba-ssm's rules."""
    inputs = {n: t.requires_grad_() for n, t in scan_inputs().items()}
    tokens = torch.arange(7)
    expected = selective_scan(
        **inputs,
        delta_softplus=True,
        order=torch.stack([tokens, tokens.flip(0)]),
        backend='reference',
    )
    baseline = BASELINES['mamba-ssm-twice']
    out = baseline.scan(baseline.arrange(inputs)).transpose(1, 2)
    weights = torch.randn(out.shape)
    tolerances = TOLERANCES[torch.float32]
    assert_within(out, expected, tolerances[0])
    for name, *pair in zip(
        inputs,
        torch.autograd.grad(out, inputs.values(), weights),
        torch.autograd.grad(expected, inputs.values(), weights),
    ):
        assert_within(*pair, tolerances[1], name)


def test_what_mamba_ssm_gets_lies_as_its_models_have_it():
    inputs = scan_inputs()
    arranged = BASELINES['mamba-ssm-twice'].arrange(inputs)
    assert all(t.is_contiguous() for t in arranged.values())
    # Timed is a flip of the second direction's u, and of nothing else.
    assert torch.equal(arranged['u_1'], inputs['u'][1].transpose(1, 2))
    delta = inputs['delta'][1].transpose(1, 2)
    assert torch.equal(arranged['delta_1'], delta.flip(-1))


def test_it_says_where_mamba_ssm_has_no_kernels(installed, monkeypatch):
    why_not = BASELINES['mamba-ssm-twice'].why_not
    assert why_not('cuda') is None
    assert why_not('cpu') == 'it runs on cuda tensors, not on cpu'
    # causal-conv1d is not asked for: the scan does without.
    monkeypatch.setitem(sys.modules, 'causal_conv1d_cuda', None)
    mamba_ssm.selective_scan_fn.forget()
    assert why_not('cuda') is None
    monkeypatch.setitem(sys.modules, 'selective_scan_cuda', None)
    mamba_ssm.selective_scan_fn.forget()
    assert 'selective_scan_cuda of mamba-ssm' in why_not('cuda')
