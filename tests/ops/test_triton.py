"""What is Triton's own; `test_engines.py` compares its numbers at all sizes.

There and here its kernels run in the interpreter, without a GPU.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from conftest import TOLERANCES, assert_within
from test_engines import SCAN_SIZES, compare
from test_operators import conv_inputs, make_order, scan_inputs

from mmvideomamba.ops import causal_conv1d, choose_engine, selective_scan

pytest.importorskip('triton')

SOFTPLUS = dict(delta_softplus=True)
on_cpu = pytest.mark.skipif(
    torch.cuda.is_available(), reason='kernels are compiled, not interpreted'
)
on_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='needs a GPU'
)


@on_cpu
@pytest.mark.parametrize('L', [8, 21])
def test_scan_cut_into_segments_agrees(L, monkeypatch, nan_poison):
    from mmvideomamba.ops.triton_kernels import scan

    monkeypatch.setattr(
        scan, 'choose_blocks', lambda *args: scan.Blocks(32, 8, -(-L // 8))
    )
    inputs = scan_inputs(L=L, dtype=torch.float32)
    order = make_order(2, L)
    compare(selective_scan, inputs, 'triton', order=order, delta_softplus=True)


def test_one_clip_is_cut_until_it_fills_the_gpu_and_a_batch_never(
    monkeypatch,
):
    from mmvideomamba.ops.triton_kernels import scan

    monkeypatch.setattr(scan, 'multiprocessors', lambda device: 132)
    cpu = torch.device('cpu')
    assert scan.choose_blocks(128, 1569, 768, cpu).segments == 1
    assert scan.choose_blocks(2, 33, 768, cpu).segments == 1
    for L in (1569, 6273, 50177):
        blocks = scan.choose_blocks(2, L, 768, cpu)
        assert 2 * 768 // blocks.channels * blocks.segments >= 8 * 132
        assert blocks.steps % scan.CHUNK == 0
        covered = blocks.segments * blocks.steps
        assert covered - blocks.steps < L <= covered


@on_cpu
def test_gradients_of_small_steps_are_accurate(nan_poison):
    inputs = scan_inputs(dtype=torch.float32)
    inputs['delta'] = -12 - inputs['delta'].abs()
    inputs['delta_bias'].zero_()
    compare(selective_scan, inputs, 'triton', **SOFTPLUS)


@on_cpu
def test_only_the_interpreter_runs_on_a_cpu_and_auto_never_takes_it(
    monkeypatch,
):
    cpu = torch.device('cpu')
    triton_engine = choose_engine('triton', cpu)
    assert choose_engine('auto', cpu) is not triton_engine
    monkeypatch.delenv('TRITON_INTERPRET')
    with pytest.raises(RuntimeError, match='on cuda tensors, not on cpu'):
        choose_engine('triton', cpu)


@on_gpu
@pytest.mark.parametrize('backend', ['triton', 'cuda'])
@pytest.mark.parametrize(
    'dtype', [torch.float32, torch.bfloat16, torch.float16]
)
@pytest.mark.parametrize(
    'sizes',
    [
        *SCAN_SIZES,
        # One clip of 16 frames, cut into segments; a batch that is not.
        dict(K=2, B=1, L=1569, D=768, N=16),
        dict(K=2, B=64, L=65, D=768, N=16),
    ],
    ids=str,
)
def test_engines_agree_on_a_gpu(backend, dtype, sizes):
    cuda = torch.device('cuda')
    try:
        choose_engine(backend, cuda)
    except RuntimeError as error:
        pytest.skip(str(error))
    order = make_order(sizes['K'], sizes['L']).to(cuda)
    conv_sizes = {name: sizes[name] for name in 'KBLD'}
    for operator, inputs, options in (
        (selective_scan, scan_inputs(**sizes, dtype=dtype), SOFTPLUS),
        (causal_conv1d, conv_inputs(**conv_sizes, dtype=dtype), {}),
    ):
        options = dict(options, order=order)
        inputs = {name: t.to(cuda) for name, t in inputs.items()}
        wide = {name: t.double() for name, t in inputs.items()}
        expected = gradients(operator, wide, 'reference', options)
        actual = gradients(operator, inputs, backend, options)
        for name, value in actual.items():
            tolerance = TOLERANCES[dtype][name != 'out']
            assert_within(value, expected[name], tolerance, name)
        if backend == 'triton':
            again = gradients(operator, inputs, backend, options)
            assert all(torch.equal(actual[n], again[n]) for n in actual)


def gradients(operator, inputs, backend, options):
    leaves = {n: t.detach().requires_grad_() for n, t in inputs.items()}
    out = operator(**leaves, **options, backend=backend)
    torch.manual_seed(7)
    weights = torch.randn(out.shape).bfloat16().to(out)
    found = torch.autograd.grad(out, list(leaves.values()), weights)
    return dict(zip(['out', *leaves], [out.detach(), *found]))


def test_kernels_compiled_for_three_generations_of_gpus(tmp_path):
    """No spill anywhere, and no shuffle in the loop of the forward scan.

    Gradients of B and C are sums over channels, so the loops backward have
    shuffles; to have few a step is what the layout in `forward.py` is for.
    """
    env = dict(os.environ, TRITON_CACHE_DIR=str(tmp_path))
    env.pop('TRITON_INTERPRET', None)
    script = Path(__file__).with_name('compile_offline.py')
    printed = subprocess.run(
        [sys.executable, script, '80', '90', '100'],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    kernels = defaultdict(list)
    for line in printed.splitlines():
        kernel = json.loads(line)
        kernels[kernel['kernel']].append(kernel)
        assert kernel['spilled'] == 0, kernel
    assert set(kernels) == {
        'conv_kernel',
        'input_gradient_kernel',
        'filter_gradient_kernel',
        'forward_kernel',
        'chain_kernel',
        'gate_kernel',
        'replay_kernel',
        'adjoint_ends_kernel',
        'backward_kernel',
    }
    # The loop of `backward_kernel` takes 4 steps at a time.
    for name, most in (
        ('forward_kernel', 0),
        ('adjoint_ends_kernel', 0),
        ('replay_kernel', 52),
        ('backward_kernel', 4 * 28),
    ):
        assert {k['capability'] for k in kernels[name]} == {80, 90, 100}
        assert max(k['shuffles'] for k in kernels[name]) <= most, name
