"""The adapter to mamba-ssm and causal-conv1d, against stand-ins.

The stand-ins have the signatures of the public functions, insist on their
rules and compute with the reference.
"""

import sys
from types import ModuleType

import pytest
import torch
from conftest import TOLERANCES, assert_within
from test_engines import compare
from test_operators import conv_inputs, make_order, scan_inputs

from mmvideomamba.ops import choose_engine, cuda_scan, reference


def selective_scan_fn(
    u,
    delta,
    A,
    B,
    C,
    D=None,
    z=None,
    delta_bias=None,
    delta_softplus=False,
    return_last_state=False,
):
    """mamba_ssm.selective_scan_fn: (batch, dim, length), B and C grouped."""
    batch, dim, length = u.shape
    groups = B.shape[1]
    assert A.shape[1] <= 256
    assert delta.shape == u.shape
    assert B.shape == C.shape == (batch, groups, A.shape[1], length)
    for t in (u, delta, B, C):
        assert t.stride(-1) == 1
        assert t.dtype == u.dtype
        assert t.dtype in (torch.float32, torch.float16, torch.bfloat16)
    for t in (A, D, delta_bias):
        assert t is None or (t.dtype == torch.float32 and t.is_contiguous())
        assert t is None or t.shape[0] == dim
    out = []
    for g in range(groups):
        block = slice(g * dim // groups, (g + 1) * dim // groups)
        y = reference.selective_scan(
            u[:, block].transpose(1, 2)[None],
            delta[:, block].transpose(1, 2)[None],
            A[None, block],
            B[:, g].transpose(1, 2)[None],
            C[:, g].transpose(1, 2)[None],
            None if D is None else D[None, block],
            None,
            None if delta_bias is None else delta_bias[None, block],
            delta_softplus,
            None,
        )
        out.append(y.transpose(1, 2))
    return torch.cat(out, dim=1)


def causal_conv1d_fn(x, weight, bias=None, seq_idx=None, activation=None):
    """causal_conv1d.causal_conv1d_fn: (batch, dim, length)."""
    assert x.stride(2) == 1 or (
        x.stride(1) == 1 and x.stride(0) % 8 == x.stride(2) % 8 == 0
    )
    assert weight.shape[0] == x.shape[1]
    assert 2 <= weight.shape[1] <= 4
    assert bias is None or bias.dtype == weight.dtype
    assert activation in (None, 'silu', 'swish')
    bias = None if bias is None else bias[None]
    out = reference.causal_conv1d(
        x.transpose(1, 2), weight[None], bias, None, activation
    )
    return out[0].transpose(1, 2)


@pytest.fixture
def installed(monkeypatch):
    """Both packages and their extensions, on machines with neither."""
    for name, function in (
        ('mamba_ssm', selective_scan_fn),
        ('causal_conv1d', causal_conv1d_fn),
    ):
        module = ModuleType(name)
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, name, module)
    for name in ('selective_scan_cuda', 'causal_conv1d_cuda'):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    cuda_scan._load.cache_clear()
    yield
    cuda_scan._load.cache_clear()


def scan(*, backend, **options):
    """`selective_scan`, past the check of the device."""
    engine = cuda_scan if backend == 'cuda' else reference
    absent = dict.fromkeys(('D', 'z', 'delta_bias', 'order'))
    options = dict(absent, delta_softplus=True, **options)
    return engine.selective_scan(**options)


def conv(*, backend, **options):
    engine = cuda_scan if backend == 'cuda' else reference
    absent = dict.fromkeys(('bias', 'order', 'activation'))
    return engine.causal_conv1d(**dict(absent, **options))


@pytest.mark.parametrize(
    'dtype', [torch.float32, torch.bfloat16, torch.float16]
)
@pytest.mark.parametrize('K', [1, 3])
def test_all_directions_in_one_call(K, dtype, installed):
    order = make_order(K, 9)
    inputs = scan_inputs(K=K, L=9, D=5, dtype=dtype)
    compare(scan, inputs, 'cuda', order=order)
    inputs = conv_inputs(K=K, L=9, D=5, dtype=dtype)
    compare(conv, inputs, 'cuda', order=order, activation='silu')


def test_without_optional_arguments(installed):
    inputs = scan_inputs(dtype=torch.float32)
    for name in ('D', 'z', 'delta_bias'):
        del inputs[name]
    compare(scan, inputs, 'cuda')
    inputs = conv_inputs(dtype=torch.float32)
    del inputs['bias']
    compare(conv, inputs, 'cuda')


def test_mixed_dtypes_become_one(installed):
    inputs = scan_inputs(dtype=torch.bfloat16)
    inputs['delta'] = inputs['delta'].float()
    out = scan(**inputs, backend='cuda')
    assert out.dtype == torch.bfloat16
    wide = {name: t.double() for name, t in inputs.items()}
    expected = scan(**wide, backend='reference')
    assert_within(out, expected, TOLERANCES[torch.bfloat16][0])


def test_what_has_no_kernel_is_refused(installed):
    with pytest.raises(ValueError, match='at most 256 states, got 257'):
        scan(**scan_inputs(N=257, dtype=torch.float32), backend='cuda')
    with pytest.raises(ValueError, match=r'width of \(2, 3, 4\), got 5'):
        conv(**conv_inputs(W=5, dtype=torch.float32), backend='cuda')


def test_extensions_are_probed_not_packages(installed, monkeypatch):
    cuda = torch.device('cuda')
    assert choose_engine('cuda', cuda) is cuda_scan
    with pytest.raises(RuntimeError, match='on cuda tensors, not on cpu'):
        choose_engine('cuda', torch.device('cpu'))
    # As after an installation that skipped the kernels.
    monkeypatch.setitem(sys.modules, 'selective_scan_cuda', None)
    cuda_scan._load.cache_clear()
    with pytest.raises(RuntimeError, match='selective_scan_cuda of mamba-ssm'):
        choose_engine('cuda', cuda)


def test_any_failure_of_an_import_is_a_reason(
    installed, monkeypatch, tmp_path
):
    monkeypatch.delitem(sys.modules, 'causal_conv1d_cuda')
    broken = 'raise OSError("undefined symbol: _ZN3c10")'
    (tmp_path / 'causal_conv1d_cuda.py').write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    assert 'undefined symbol: _ZN3c10' in cuda_scan.why_not('cuda')
