"""The adapter to mamba-ssm and causal-conv1d, against stand-ins."""

import inspect
import sys

import pytest
import torch
from conftest import TOLERANCES, assert_within
from mamba_ssm_stand_ins import MODULES
from published_signatures import PUBLISHED
from test_backends import compare
from test_operators import conv_inputs, make_order, scan_inputs
from torch._subclasses import FakeTensorMode

from mmvideomamba.benchmark.scan_baselines import (
    arrange_for_mamba_ssm,
    mamba_ssm_twice,
)
from mmvideomamba.benchmark.scan_workloads import ScanCase, make_inputs
from mmvideomamba.ops import api, choose_backend, mamba_ssm, reference


def scan(*, backend, **options):
    """`selective_scan`, past the check of the device."""
    implementation = mamba_ssm if backend == 'mamba_ssm' else reference
    absent = dict.fromkeys(('D', 'z', 'delta_bias', 'order'))
    options = dict(absent, delta_softplus=True, **options)
    return implementation.selective_scan(**options)


def conv(*, backend, **options):
    implementation = mamba_ssm if backend == 'mamba_ssm' else reference
    absent = dict.fromkeys(('bias', 'order', 'activation'))
    return implementation.causal_conv1d(**dict(absent, **options))


@pytest.mark.parametrize(
    'dtype', [torch.float32, torch.bfloat16, torch.float16]
)
@pytest.mark.parametrize('K', [1, 3])
def test_all_directions_in_one_call(K, dtype, installed):
    order = make_order(K, 9)
    inputs = scan_inputs(K=K, L=9, D=5, dtype=dtype)
    compare(scan, inputs, 'mamba_ssm', order=order)
    inputs = conv_inputs(K=K, L=9, D=5, dtype=dtype)
    compare(conv, inputs, 'mamba_ssm', order=order, activation='silu')


@pytest.fixture
def arguments(installed, monkeypatch):
    """By function, the arguments of its last call, by published names."""
    bound = {}

    def bind(name, function):
        def call(*args, **kwargs):
            bound[name] = PUBLISHED[name].bind(*args, **kwargs).arguments
            return function(*args, **kwargs)

        return call

    for name, package in (
        ('selective_scan_fn', 'mamba_ssm'),
        ('causal_conv1d_fn', 'causal_conv1d'),
    ):
        module = MODULES[package]
        function = getattr(module, name)
        assert inspect.signature(function) == PUBLISHED[name]
        monkeypatch.setattr(module, name, bind(name, function))
    return bound


def test_calls_bind_to_the_published_signatures(arguments):
    inputs = scan_inputs(K=3, B=2, L=9, D=5, N=4, dtype=torch.float32)
    scan(**inputs, backend='mamba_ssm')
    passed = arguments['selective_scan_fn']
    assert passed.pop('delta_softplus') is True
    assert {name: tuple(t.shape) for name, t in passed.items()} == dict(
        u=(2, 15, 9),
        delta=(2, 15, 9),
        A=(15, 4),
        B=(2, 3, 4, 9),
        C=(2, 3, 4, 9),
        D=(15,),
        delta_bias=(15,),
    )
    inputs = conv_inputs(K=3, B=2, L=9, D=5, dtype=torch.float32)
    conv(**inputs, activation='silu', backend='mamba_ssm')
    passed = arguments['causal_conv1d_fn']
    assert passed.pop('activation') == 'silu'
    assert {name: tuple(t.shape) for name, t in passed.items()} == dict(
        x=(2, 15, 9), weight=(15, 4), bias=(15,)
    )


def test_calls_of_the_baseline_bind_to_them_too(arguments):
    case = ScanCase('fp32', 2, 9, 32, 4, 'cpu')
    mamba_ssm_twice(arrange_for_mamba_ssm(make_inputs(case)))
    passed = arguments['selective_scan_fn']
    assert passed.pop('delta_softplus') is True
    assert {name: tuple(t.shape) for name, t in passed.items()} == dict(
        u=(2, 32, 9),
        delta=(2, 32, 9),
        A=(32, 4),
        B=(2, 4, 9),
        C=(2, 4, 9),
        D=(32,),
        delta_bias=(32,),
    )


def test_without_optional_arguments(installed):
    inputs = scan_inputs(dtype=torch.float32)
    for name in ('D', 'z', 'delta_bias'):
        del inputs[name]
    compare(scan, inputs, 'mamba_ssm')
    inputs = conv_inputs(dtype=torch.float32)
    del inputs['bias']
    compare(conv, inputs, 'mamba_ssm')


def test_mixed_dtypes_become_one(installed):
    inputs = scan_inputs(dtype=torch.bfloat16)
    inputs['delta'] = inputs['delta'].float()
    out = scan(**inputs, backend='mamba_ssm')
    assert out.dtype == torch.bfloat16
    wide = {name: t.double() for name, t in inputs.items()}
    expected = scan(**wide, backend='reference')
    assert_within(out, expected, TOLERANCES[torch.bfloat16][0])


def test_what_has_no_kernel_is_refused(installed):
    with pytest.raises(ValueError, match='at most 256 states, got 257'):
        scan(**scan_inputs(N=257, dtype=torch.float32), backend='mamba_ssm')
    with pytest.raises(ValueError, match=r'width of \(2, 3, 4\), got 5'):
        conv(**conv_inputs(W=5, dtype=torch.float32), backend='mamba_ssm')


def test_extensions_are_probed_not_packages(installed, monkeypatch):
    cuda = torch.device('cuda')
    assert choose_backend('mamba_ssm', cuda) == 'mamba_ssm'
    with pytest.raises(RuntimeError, match='on cuda tensors, not on cpu'):
        choose_backend('mamba_ssm', torch.device('cpu'))
    # As after an installation that skipped the kernels.
    monkeypatch.setitem(sys.modules, 'selective_scan_cuda', None)
    mamba_ssm.selective_scan_fn.forget()
    with pytest.raises(RuntimeError, match='selective_scan_cuda of mamba-ssm'):
        choose_backend('mamba_ssm', cuda)


def test_any_failure_of_an_import_is_a_reason(
    installed, monkeypatch, tmp_path
):
    monkeypatch.delitem(sys.modules, 'causal_conv1d_cuda')
    broken = 'raise OSError("undefined symbol: _ZN3c10")'
    (tmp_path / 'causal_conv1d_cuda.py').write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    assert 'undefined symbol: _ZN3c10' in mamba_ssm.why_not('cuda')


def test_the_name_takes_the_adapter_but_for_what_it_has_no_kernel(installed):
    def taken(dtype=torch.float32, batch=1):
        with FakeTensorMode():
            x = torch.empty(batch, 2, 3, dtype=dtype, device='cuda')
        return api._implementation('mamba_ssm', x)

    assert taken() is mamba_ssm
    assert taken(dtype=torch.float64) is taken(batch=0) is reference
