"""What is Triton's own; `test_backends.py` compares its numbers at all sizes.

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
from conftest import GPU_TOLERANCES, assert_within
from test_backends import SCAN_SIZES, compare, inner_slack
from test_operators import (
    conv_inputs,
    inner_inputs,
    make_order,
    scan_inputs,
)

from mmvideomamba.ops import (
    causal_conv1d,
    choose_backend,
    mamba_inner,
    selective_scan,
)

triton = pytest.importorskip('triton')

SOFTPLUS = dict(delta_softplus=True)
on_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='needs a GPU'
)


@pytest.mark.parametrize('L', [8, 21])
def test_scan_cut_into_segments_agrees(
    L, monkeypatch, nan_poison, interpreted_triton
):
    from mmvideomamba.ops.triton import launch

    monkeypatch.setattr(
        launch, 'choose_blocks', lambda *args: launch.Blocks(32, 8, -(-L // 8))
    )
    inputs = scan_inputs(L=L, dtype=torch.float32)
    order = make_order(2, L)
    compare(selective_scan, inputs, 'triton', order=order, delta_softplus=True)
    inputs = inner_inputs(L=L, dtype=torch.float32)
    compare(mamba_inner, inputs, 'triton', order=order)


def test_one_clip_is_cut_until_it_fills_the_gpu_and_a_batch_never(
    monkeypatch,
):
    from mmvideomamba.ops.triton import launch

    monkeypatch.setattr(launch, 'multiprocessors', lambda device: 132)

    def cut(clips, L, backward=False):
        cpu = torch.device('cpu')
        return launch.choose_blocks(2 * clips, L, 768, cpu, backward)

    assert cut(64, 1569).segments == cut(64, 1569, True).segments == 1
    assert cut(1, 33).segments == 1
    for L in (1569, 6273, 50177):
        blocks = cut(1, L)
        assert 2 * 768 // blocks.channels * blocks.segments >= 8 * 132
        assert blocks.steps % launch.GROUP == 0
        covered = blocks.segments * blocks.steps
        assert covered - blocks.steps < L <= covered


def test_the_backward_scan_takes_no_second_round(monkeypatch):
    """A warp more than fits would wait for one of the first to end."""
    from mmvideomamba.ops.triton import launch

    monkeypatch.setattr(launch, 'multiprocessors', lambda device: 132)
    segments = []
    for clips in range(1, 20):
        blocks = launch.choose_blocks(
            2 * clips, 1569, 768, torch.device('cpu'), backward=True
        )
        warps = 2 * clips * 768 // 32
        assert warps * blocks.segments <= 8 * 132
        segments.append(blocks.segments)
    assert segments[:11] == [22, 11, 7, 5, 4, 3, 3, 2, 2, 2, 2]


def test_gradients_of_small_steps_are_accurate(nan_poison, interpreted_triton):
    inputs = scan_inputs(dtype=torch.float32)
    inputs['delta'] = -12 - inputs['delta'].abs()
    inputs['delta_bias'].zero_()
    compare(selective_scan, inputs, 'triton', **SOFTPLUS)


def test_it_runs_on_gpus_only():
    with pytest.raises(RuntimeError, match='on cuda tensors, not on cpu'):
        choose_backend('triton', torch.device('cpu'))


def test_what_keeps_triton_from_running_is_told(monkeypatch):
    from mmvideomamba.ops import triton as backend
    from mmvideomamba.ops.triton import operators

    monkeypatch.delenv('TRITON_INTERPRET', raising=False)
    if not torch.cuda.is_available():
        monkeypatch.setattr(operators, 'try_launch', lambda: None)

    def missing():
        raise RuntimeError('Failed to find C compiler')

    for owner, name, value, reason in (
        (operators, 'try_launch', missing, 'Failed to find C compiler'),
        (triton, '__version__', '3.2.0', '3.2.0 is older than 3.3'),
        (triton, '__version__', '10.0.0', None),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            backend.kernels.forget()
            told = backend.why_not('cuda')
        backend.kernels.forget()
        assert told is None if reason is None else reason in told
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    assert 'TRITON_INTERPRET=1' in backend.why_not('cuda')


def imagine_gpu(monkeypatch, capability, capturing=False):
    """A GPU that is asked what it is, and launches nothing."""
    for name, value in (
        ('is_available', True),
        ('is_current_stream_capturing', capturing),
        ('get_device_capability', capability),
        ('get_device_name', 'Tesla X'),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda *_, v=value: v)
    monkeypatch.delenv('TRITON_INTERPRET', raising=False)


def test_an_older_gpu_is_named(monkeypatch):
    from mmvideomamba.ops import triton as backend

    imagine_gpu(monkeypatch, capability=(7, 0))
    backend.kernels.forget()
    told = backend.why_not('cuda')
    backend.kernels.forget()
    assert told == (
        'Tesla X has compute capability 7.0, and kernels need 7.5, a T4 or '
        'newer'
    )


def test_a_graph_captured_before_the_first_call_is_refused(monkeypatch):
    from mmvideomamba.ops import triton as backend

    imagine_gpu(monkeypatch, capability=(9, 0), capturing=True)
    backend.kernels.forget()
    with pytest.raises(RuntimeError, match='call the model once before'):
        backend.why_not('cuda')


def test_bfloat16_on_a_gpu_without_it_names_float16(monkeypatch):
    from mmvideomamba.ops.triton.options import require_arithmetic

    class OnGPU(torch.Tensor):
        is_cuda = True

    imagine_gpu(monkeypatch, capability=(7, 5))
    with pytest.raises(ValueError, match='Tesla X .* --amp fp16'):
        require_arithmetic(torch.zeros(1).bfloat16().as_subclass(OnGPU))
    require_arithmetic(torch.zeros(1).half().as_subclass(OnGPU))


def test_a_clip_beyond_the_offsets_of_kernels_is_refused():
    from mmvideomamba.ops.triton.options import require_int32_offsets

    require_int32_offsets(2**20, 2047)
    with pytest.raises(ValueError, match='1048576 tokens of 2048; take fewer'):
        require_int32_offsets(2**20, 2048)


class FarthestExp(torch.autograd.Function):
    """exp, too small by all that PTX allows: 2 units and a half near one.

    Two from what is correctly rounded, which is half of one away itself.
    """

    @staticmethod
    def forward(ctx, x):
        y = (x.double().exp() * (1 - 2.5 * 2**-24)).float()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0]


def slow_decays(L, D):
    """Delta and A as Mamba initialises them: decays as near one as 0.999."""
    inputs = scan_inputs(K=2, B=1, L=L, D=D, N=16, dtype=torch.float32)
    steps = torch.logspace(-3, -1, D).expand(2, D)
    inputs['delta'] *= 0.1
    inputs['delta_bias'] = steps + torch.log(-torch.expm1(-steps))
    inputs['A'] = -torch.arange(1.0, 17).expand(2, D, 16)
    return inputs


def test_the_tolerance_on_a_gpu_covers_its_exponential(monkeypatch):
    """An error that is the same at every step adds up over them."""
    inputs = slow_decays(L=1569, D=8)
    wide = {name: t.double() for name, t in inputs.items()}
    expected = gradients(selective_scan, wide, 'reference', SOFTPLUS)
    monkeypatch.setattr(torch, 'exp', FarthestExp.apply)
    actual = gradients(selective_scan, inputs, 'reference', SOFTPLUS)
    for name, value in actual.items():
        tolerance = GPU_TOLERANCES[torch.float32][name != 'out']
        assert_within(value, expected[name], tolerance, name)


# Every size in float32; those of VideoMamba-S in all dtypes. Each combination
# is compiled anew, which is what takes time.
GPU_CASES = [(sizes, torch.float32) for sizes in SCAN_SIZES]
GPU_CASES += [
    (sizes, dtype)
    # One clip of 16 frames, cut into segments; a batch that is not.
    for sizes in (
        dict(K=2, B=1, L=1569, D=768, N=16),
        dict(K=2, B=64, L=65, D=768, N=16),
    )
    for dtype in (torch.float32, torch.bfloat16, torch.float16)
]


@pytest.fixture(params=['triton', 'mamba_ssm'])
def gpu_backend(request):
    """The name of each fast backend that runs on this machine's GPU."""
    try:
        choose_backend(request.param, torch.device('cuda'))
    except RuntimeError as error:
        pytest.skip(str(error))
    return request.param


@on_gpu
@pytest.mark.parametrize('sizes, dtype', GPU_CASES, ids=str)
def test_backends_agree_on_a_gpu(gpu_backend, sizes, dtype):
    order = make_order(sizes['K'], sizes['L'])
    conv_sizes = {name: sizes[name] for name in 'KBLD'}
    for operator, inputs, options in (
        (selective_scan, scan_inputs(**sizes, dtype=dtype), SOFTPLUS),
        (causal_conv1d, conv_inputs(**conv_sizes, dtype=dtype), {}),
        (mamba_inner, inner_inputs(**sizes, R=3, dtype=dtype), {}),
    ):
        options = dict(options, order=order.cuda())
        compare_on_gpu(operator, inputs, gpu_backend, options)


@on_gpu
@pytest.mark.parametrize('L', [1569, 12545])
def test_slow_decays_agree_on_a_gpu(gpu_backend, L):
    compare_on_gpu(selective_scan, slow_decays(L, 64), gpu_backend, SOFTPLUS)


@on_gpu
def test_awkward_inputs_agree_on_a_gpu(gpu_backend):
    """Nothing optional; an empty batch; memory as the mixer leaves it."""
    inputs = scan_inputs(L=70, D=40, dtype=torch.float32)
    for name in ('D', 'z', 'delta_bias'):
        del inputs[name]
    inputs['delta'] = inputs['delta'].abs()
    compare_on_gpu(selective_scan, inputs, gpu_backend, {})
    conv = conv_inputs(dtype=torch.float32)
    del conv['bias']
    compare_on_gpu(causal_conv1d, conv, gpu_backend, dict(activation=None))

    empty = scan_inputs(B=0, dtype=torch.float32)
    empty = {name: t.cuda() for name, t in empty.items()}
    found = gradients(selective_scan, empty, gpu_backend, SOFTPLUS)
    assert found['u'].shape == empty['u'].shape and not found['A'].any()

    xz = torch.randn(2, 70, 2 * 40).bfloat16()
    projected = torch.randn(2, 2, 70, 3 + 2 * 4).bfloat16()
    inputs = scan_inputs(L=70, D=40, dtype=torch.bfloat16)
    _, inputs['z'] = xz.chunk(2, dim=-1)
    _, inputs['B'], inputs['C'] = projected.split([3, 4, 4], dim=-1)
    compare_on_gpu(selective_scan, inputs, gpu_backend, SOFTPLUS)
    conv = dict(conv_inputs(L=70, D=40, dtype=torch.bfloat16))
    conv['x'], _ = xz.chunk(2, dim=-1)
    compare_on_gpu(causal_conv1d, conv, gpu_backend, {})


@on_gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason='needs a second GPU')
def test_the_second_of_two_gpus(gpu_backend):
    inputs = scan_inputs(L=70, D=40, dtype=torch.float32)
    first, second = (
        gradients(
            selective_scan,
            {name: t.to(gpu) for name, t in inputs.items()},
            gpu_backend,
            SOFTPLUS,
        )
        for gpu in ('cuda:0', 'cuda:1')
    )
    for name, value in second.items():
        assert value.device == torch.device('cuda:1')
        tolerance = GPU_TOLERANCES[torch.float32][name != 'out']
        assert_within(value.cpu(), first[name].cpu(), tolerance, name)


def compare_on_gpu(operator, inputs, backend, options):
    # Moved as they lie: a copy of a view would be contiguous.
    inputs = {name: strided_copy(t) for name, t in inputs.items()}
    wide = {name: t.double() for name, t in inputs.items()}
    expected = gradients(operator, wide, 'reference', options)
    actual = gradients(operator, inputs, backend, options)
    dtype = actual['out'].dtype
    slack = inner_slack(dtype) if operator is mamba_inner else 1
    for name, value in actual.items():
        tolerance = slack * GPU_TOLERANCES[dtype][name != 'out']
        assert_within(value, expected[name], tolerance, name)
    if backend == 'triton':
        again = gradients(operator, inputs, backend, options)
        assert all(torch.equal(actual[n], again[n]) for n in actual)


def strided_copy(t):
    """The tensor on the GPU, with the strides it has here."""
    size = 1 + sum((n - 1) * s for n, s in zip(t.shape, t.stride()))
    copy = torch.empty(size, dtype=t.dtype, device='cuda')
    return copy.as_strided(t.shape, t.stride()).copy_(t)


def gradients(operator, inputs, backend, options):
    leaves = {n: t.detach().requires_grad_() for n, t in inputs.items()}
    out = operator(**leaves, **options, backend=backend)
    torch.manual_seed(7)
    weights = torch.randn(out.shape).bfloat16().to(out)
    found = torch.autograd.grad(out, list(leaves.values()), weights)
    return dict(zip(['out', *leaves], [out.detach(), *found]))


def test_kernels_compiled_for_gpus(tmp_path, request):
    """Next to no spill, and no shuffle in the loop of the forward scan.

    Gradients of B and C are sums over channels, so the loops backward have
    shuffles; to have few a step is what `scan_backward.py` lays lanes out for.
    For four generations of GPUs, which takes minutes.
    """
    if not request.config.getoption('--gpu-kernels'):
        pytest.skip('with --gpu-kernels')
    generations = ['80', '90', '100', '120']
    env = dict(os.environ, TRITON_CACHE_DIR=str(tmp_path))
    env.pop('TRITON_INTERPRET', None)
    script = Path(__file__).with_name('compile_offline.py')
    printed = subprocess.run(
        [sys.executable, script, *generations],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    kernels = defaultdict(list)
    for line in printed.splitlines():
        kernel = json.loads(line)
        kernels[kernel['kernel']].append(kernel)
        assert kernel['spilled'] <= 8 * (kernel['capability'] == 100), kernel
        assert kernel['fused'] and kernel['stages'] == 1
    # What measures exps waits for nothing else: an exp takes the time of
    # eight additions on these GPUs.
    for chain in kernels.pop('exp_chain_kernel'):
        assert chain['arithmetic'] < 1.25 * chain['exps']
    assert set(kernels) == {
        'conv_kernel',
        'conv_gradient_kernel',
        'forward_kernel',
        'chain_kernel',
        'gate_kernel',
        'gate_gradient_kernel',
        'replay_kernel',
        'adjoint_ends_kernel',
        'backward_kernel',
        'delta_kernel',
        'norm_kernel',
        'norm_gradient_kernel',
    }
    # The loops take 4 steps at a time; those of the scan by itself take
    # softplus too. docs/gpu_kernels.md has the counts.
    for name, shuffles, instructions in (
        ('forward_kernel', 0, 4 * 32 * 8),
        ('adjoint_ends_kernel', 0, 16 * 9),
        ('replay_kernel', 4 * 12, 4 * 32 * 10),
        ('backward_kernel', 4 * 28, 4 * 16 * 22.5),
        ('conv_gradient_kernel', 0, 4 * 4 * 41),
    ):
        found = {str(k['capability']) for k in kernels[name]}
        assert found == set(generations)
        assert max(k['shuffles'] for k in kernels[name]) <= shuffles, name
        for kernel in kernels[name]:
            # The assembler takes a little more for 12.0.
            more = 1.05 if kernel['capability'] == 120 else 1
            assert kernel['loop'] <= more * instructions, kernel
