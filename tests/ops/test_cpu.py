"""What is particular to the C++ backend: sets, threads, orders, absence."""

import ctypes
import logging
import sys

import pytest
import torch
from conftest import TOLERANCES
from test_backends import compare, inner_slack, run
from test_operators import (
    conv_inputs,
    inner_inputs,
    make_order,
    scan_inputs,
)

from mmvideomamba.ops import (
    api,
    causal_conv1d,
    cpu,
    mamba_inner,
    selective_scan,
)
from mmvideomamba.ops.cpu import binding

needs_kernels = pytest.mark.skipif(
    cpu.why_not('cpu') is not None, reason=str(cpu.why_not('cpu'))
)


@needs_kernels
@pytest.mark.parametrize('name', ['baseline', 'avx2', 'avx512'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_every_instruction_set_agrees(monkeypatch, name, dtype):
    widest = ['baseline', 'avx2', 'avx512'].index(binding.instruction_set())
    if ['baseline', 'avx2', 'avx512'].index(name) > widest:
        pytest.skip(f'this processor has no {name}')
    monkeypatch.setattr(binding, 'instruction_set', lambda: name)
    order = make_order(2, 50)
    scan = scan_inputs(L=50, D=150, N=18, dtype=dtype)
    compare(selective_scan, scan, 'cpu', order=order, delta_softplus=True)
    conv = conv_inputs(L=50, D=150, dtype=dtype)
    compare(causal_conv1d, conv, 'cpu', order=order)
    inner = inner_inputs(L=70, D=150, N=18, R=5, dtype=dtype)
    compare(mamba_inner, inner, 'cpu', order=make_order(2, 70))


@needs_kernels
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('threads', [1, 2, 3, 5])
def test_any_number_of_threads_agrees(threads, dtype):
    """1 to 5 tasks for a batch of one; D = 70 splits unevenly."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        scan = scan_inputs(B=1, L=20, D=70, dtype=dtype)
        compare(selective_scan, scan, 'cpu', delta_softplus=True)
        conv = conv_inputs(B=3, L=20, D=70, dtype=dtype)
        compare(causal_conv1d, conv, 'cpu')
        for B in (1, 3, 4):
            inner = inner_inputs(B=B, L=80, D=70, dtype=dtype)
            compare(mamba_inner, inner, 'cpu', inner_slack(dtype))
    finally:
        torch.set_num_threads(before)


@needs_kernels
@pytest.mark.parametrize('bad', [-1, 7, 3])
def test_an_order_that_is_no_permutation_is_refused(bad):
    order = make_order(2, 7)
    order[1, 5] = bad  # out of bounds, or a second visit
    message = 'every token exactly once'
    with pytest.raises(ValueError, match=message):
        causal_conv1d(
            **conv_inputs(dtype=torch.float32), order=order, backend='cpu'
        )
    with pytest.raises(ValueError, match=message):
        selective_scan(
            **scan_inputs(dtype=torch.float32), order=order, backend='cpu'
        )
    with pytest.raises(ValueError, match=message):
        mamba_inner(
            **inner_inputs(dtype=torch.float32), order=order, backend='cpu'
        )


@needs_kernels
def test_states_of_every_size(nan_poison):
    """N up to 256 passes through the vector of 16."""
    for N in (15, 64, 256):
        scan = scan_inputs(B=1, L=18, D=2, N=N, dtype=torch.float32)
        compare(selective_scan, scan, 'cpu', delta_softplus=True)


@needs_kernels
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    'sizes',
    [
        dict(K=2, B=1, L=150, D=70, N=16, R=3, W=4),
        dict(K=4, B=2, L=65, D=16, N=17, R=9, W=2),
        dict(K=1, B=1, L=200, D=3, N=2, R=1, W=80),
    ],
)
def test_inner_crosses_several_spans(sizes, dtype, nan_poison):
    """64 steps each; a convolution may reach over more than one."""
    inputs = inner_inputs(**sizes, dtype=dtype)
    order = make_order(sizes['K'], sizes['L'])
    compare(mamba_inner, inputs, 'cpu', inner_slack(dtype), order=order)


@needs_kernels
def test_bfloat16_of_slow_decays_is_as_close_as_the_reference():
    """AMX's machines take a shorter polynomial for the decay."""
    inputs = inner_inputs(K=1, B=1, L=1500, D=32, dtype=torch.bfloat16)
    inputs['A'] *= 0.03
    inputs['dt_bias'] -= 3
    wide = {name: t.double() for name, t in inputs.items()}
    exact = mamba_inner(**wide, backend='reference')
    cpu_error, reference_error = (
        (mamba_inner(**inputs, backend=name) - exact).norm()
        for name in ('cpu', 'reference')
    )
    assert cpu_error < reference_error


@needs_kernels
def test_no_channels_give_no_numbers():
    empty = dict(D=0, dtype=torch.float32)
    for operator, inputs in (
        (selective_scan, scan_inputs(**empty)),
        (causal_conv1d, conv_inputs(**empty)),
        (mamba_inner, inner_inputs(**empty)),
    ):
        assert operator(**inputs, backend='cpu').numel() == 0


@needs_kernels
def test_inner_repeats_bit_for_bit():
    inputs = inner_inputs(B=3, L=150, D=70, R=5, dtype=torch.float32)
    first, second = (
        run(mamba_inner, inputs, order=make_order(2, 150), backend='cpu')
        for _ in range(2)
    )
    for name, value in first.items():
        assert torch.equal(second[name], value), name


@needs_kernels
def test_training_holds_memory_linear_in_the_sequence():
    for L in (64, 128):
        inputs = scan_inputs(B=1, L=L, D=32, N=16, dtype=torch.float32)
        _, states = torch.ops.mmvideomamba.selective_scan(
            True, *inputs.values(), True, None
        )
        # Never more than the scan's input itself.
        assert states.numel() <= inputs['u'].numel()


@needs_kernels
@pytest.mark.parametrize('names', [('b', 'c'), ('grad_b', 'grad_c')])
def test_a_library_whose_fields_lie_elsewhere_is_refused(monkeypatch, names):
    """Two swapped pointers leave every size as it was."""
    fields = list(binding.ScanArgs._fields_)
    first, second = ([f[0] for f in fields].index(name) for name in names)
    fields[first], fields[second] = fields[second], fields[first]
    swapped = type('ScanArgs', (binding._Args,), {'_fields_': fields})
    assert ctypes.sizeof(swapped) == ctypes.sizeof(binding.ScanArgs)
    monkeypatch.setattr(binding, 'ScanArgs', swapped)
    binding.kernel_library.forget()
    reason = binding.kernel_library.why_not()
    binding.kernel_library.forget()
    assert 'built from other sources' in reason
    assert f'ScanArgs.{names[0]} differs' in reason


@pytest.fixture
def no_kernels(monkeypatch, tmp_path):
    """An installation without a compiler."""
    monkeypatch.setattr(
        binding, '__file__', str(tmp_path / 'cpu' / 'binding.py')
    )
    binding.kernel_library.forget()
    api._first_runnable.cache_clear()
    yield
    monkeypatch.undo()
    binding.kernel_library.forget()
    api._first_runnable.cache_clear()


def test_without_kernels_the_reference_runs_and_one_line_says_so(
    no_kernels, caplog
):
    inputs = scan_inputs(dtype=torch.float32)
    with caplog.at_level(logging.WARNING):
        out = selective_scan(**inputs)
        selective_scan(**inputs)
    assert torch.equal(out, selective_scan(**inputs, backend='reference'))
    assert len(caplog.records) == 1
    assert 'install a C++ compiler' in caplog.text


def test_without_kernels_an_explicit_request_fails(no_kernels):
    with pytest.raises(RuntimeError, match='install a C.. compiler'):
        selective_scan(**scan_inputs(), backend='cpu')


@pytest.mark.parametrize('entry', ['site', 'checkout/../site'])
def test_a_copy_that_has_kernels_is_named(monkeypatch, tmp_path, entry):
    """As in a checkout beside an installation."""
    for folder in ('checkout', 'site'):
        (tmp_path / folder / 'mmvideomamba' / 'ops').mkdir(parents=True)
    (tmp_path / 'site/mmvideomamba/ops/_kernels.so').touch()
    checkout = tmp_path / 'checkout'
    monkeypatch.setattr(
        binding, '__file__', str(checkout / 'mmvideomamba/ops/cpu/binding.py')
    )
    monkeypatch.chdir(checkout)
    monkeypatch.setattr(sys, 'path', ['', str(tmp_path / entry)])
    binding.kernel_library.forget()
    reason = binding.kernel_library.why_not()
    binding.kernel_library.forget()
    assert f'imports mmvideomamba from {checkout}, and a copy' in reason
    assert f'with kernels is in {tmp_path / "site"}' in reason
    assert 'compiler' not in reason


def test_float64_is_exact(backend):
    inputs = scan_inputs()
    compare(selective_scan, inputs, backend, delta_softplus=True)
    assert TOLERANCES[torch.float64][0] < 1e-9
