"""The norm around the scan, against PyTorch's in float64."""

import pytest
import torch
import torch.nn.functional as F
from conftest import TOLERANCES, assert_within
from torch import library

from mmvideomamba.models import RMSNorm
from mmvideomamba.ops import cpu, rms_norm
from mmvideomamba.ops.cpu import binding

needs_kernels = pytest.mark.skipif(
    cpu.why_not('cpu') is not None, reason=str(cpu.why_not('cpu'))
)


def results(norm, x, weight, grad):
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    out = norm(x, weight)
    return out.detach(), *torch.autograd.grad(out, (x, weight), grad)


def compare(x, weight, backend='auto'):
    grad = torch.randn(x.shape)
    actual = results(
        lambda x, w: rms_norm(x, w, 1e-5, backend), x, weight, grad
    )
    expected = results(
        lambda x, w: F.rms_norm(x, w.shape, w, 1e-5),
        x.double(),
        weight.double(),
        grad.double(),
    )
    names = ('out', 'grad x', 'grad weight')
    forward, backward = TOLERANCES[torch.float32]
    for name, ours, exact in zip(names, actual, expected):
        tolerance = forward if name == 'out' else backward
        assert_within(ours, exact, tolerance, name)


@pytest.mark.parametrize('shape', [(3, 5, 7), (2, 33, 100), (9, 2), (64,)])
def test_agrees_with_float64(backend, nan_poison, shape):
    torch.manual_seed(0)
    compare(torch.randn(shape) * 3, torch.randn(shape[-1]), backend)


def test_reads_strided_tokens(nan_poison):
    torch.manual_seed(0)
    compare(torch.randn(2, 6, 9).transpose(0, 1)[..., :5], torch.randn(5))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_gets_what_the_next_product_takes(backend, dtype):
    """16 bits forward and backward, from float32 arithmetic."""
    if backend == 'reference':
        pytest.skip('it takes the dtype of x')

    def norm(x, weight):
        return rms_norm(x, weight, 1e-5, backend)

    torch.manual_seed(0)
    x, weight = torch.randn(5, 37), torch.randn(37)
    grad = torch.randn(5, 37).to(dtype)
    with torch.autocast('cpu', dtype):
        actual = results(norm, x, weight, grad)
    expected = results(norm, x, weight, grad.float())
    assert actual[0].dtype == dtype
    torch.testing.assert_close(actual[0], expected[0].to(dtype))
    for ours, theirs in zip(actual[1:], expected[1:]):
        assert torch.equal(ours, theirs)


def test_no_tokens_and_tiny_ones():
    assert rms_norm(torch.ones(2, 0, 8), torch.ones(8), 1e-5).shape == (
        2,
        0,
        8,
    )
    tiny = rms_norm(torch.full((1, 8), 1e-30), torch.ones(8), 1e-5)
    torch.testing.assert_close(tiny, torch.full((1, 8), 1e-30 / 1e-5**0.5))


def test_nan_stays_in_its_row():
    x = torch.ones(3, 20)
    x[1, 4] = float('nan')
    out = rms_norm(x, torch.ones(20), 1e-5)
    assert out[1].isnan().all() and not out[[0, 2]].isnan().any()


@needs_kernels
@pytest.mark.parametrize('name', ['baseline', 'avx2', 'avx512'])
def test_every_instruction_set_agrees(monkeypatch, name):
    sets = ['baseline', 'avx2', 'avx512']
    if sets.index(name) > sets.index(binding.instruction_set()):
        pytest.skip(f'this processor has no {name}')
    monkeypatch.setattr(binding, 'instruction_set', lambda: name)
    torch.manual_seed(0)
    compare(torch.randn(3, 70), torch.randn(70))


@needs_kernels
def test_passes_opcheck():
    x = torch.randn(4, 6, requires_grad=True)
    weight = torch.randn(6, requires_grad=True)
    library.opcheck(
        torch.ops.mmvideomamba.rms_norm.default,
        (x, weight, 1e-5, torch.float32),
    )


@needs_kernels
def test_second_derivatives_need_float64():
    x = torch.randn(4, 6, requires_grad=True)
    out = rms_norm(x, torch.ones(6), 1e-5).sum()
    (grad,) = torch.autograd.grad(out, x, create_graph=True)
    with pytest.raises(RuntimeError, match="backend='reference'"):
        torch.autograd.grad(grad.sum(), x)
    wide = x.double().detach().requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda x: rms_norm(x, x.new_ones(6), 1e-5), wide
    )


@pytest.mark.parametrize('eps', [None, 1e-3])
@pytest.mark.parametrize('affine', [True, False])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_the_module_is_torchs(eps, affine, dtype):
    torch.manual_seed(0)
    norm = RMSNorm(12, eps, affine).to(dtype)
    theirs = torch.nn.RMSNorm(12, eps, affine).to(dtype)
    if affine:
        torch.nn.init.normal_(norm.weight)
    theirs.load_state_dict(norm.state_dict())
    x = torch.randn(3, 12, dtype=dtype) * 1e-3
    torch.testing.assert_close(norm(x), theirs(x))


@needs_kernels
def test_the_compiler_sees_pytorchs_operators():
    """It fuses them better than it could call a kernel."""
    exported = torch.export.export(RMSNorm(8, 1e-5), (torch.ones(2, 8),))
    names = [str(node.target) for node in exported.graph.nodes]
    assert not any('mmvideomamba' in name for name in names)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_an_unknown_backend_is_an_error_whatever_runs(dtype):
    with pytest.raises(ValueError, match="unknown scan backend 'fast'"):
        rms_norm(torch.ones(2, 3, dtype=dtype), torch.ones(3), backend='fast')
