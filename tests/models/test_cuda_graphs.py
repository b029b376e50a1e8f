"""What a CUDA graph asks of a model, looked at without a GPU.

While a graph is captured nothing may read what a tensor holds, and nothing
may be copied between the GPU and the host. Tensors on the meta device stand
for those on a GPU: they hold nothing that could be read, and a dispatch mode
refuses operators that have tensors on two devices.
"""

from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmvideomamba.cuda_graphs import capture_graph
from mmvideomamba.models import VideoMamba


class OneDevice(TorchDispatchMode):
    """Refuses operators that have tensors on two devices."""

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        out = operator(*args, **(kwargs or {}))
        tensors = tree_leaves((args, kwargs, out))
        devices = {t.device for t in tensors if isinstance(t, torch.Tensor)}
        if len(devices) > 1:
            raise RuntimeError(f'{operator} copies between devices')
        return out


def build(**options):
    arch = dict(embed_dims=32, num_layers=2)
    return VideoMamba(
        arch,
        img_size=32,
        num_frames=4,
        drop_path_rate=0.0,
        **dict(dict(scan_backend='triton'), **options),
    )


@pytest.mark.parametrize(
    'options',
    [
        dict(out_type='featmap', cls_token_position='middle'),
        dict(pos_embed='sinusoid', merge='mean'),
        dict(pos_embed='factorized'),
    ],
)
@pytest.mark.parametrize('frames', [4, 8])
def test_nothing_is_read_back_or_copied(options, frames):
    model = build(**options).to('meta')
    clip = torch.empty(1, 3, frames, 32, 32, device='meta')
    # Once to warm up, as before a capture: the order of longer clips is made.
    expected = model(clip)
    with OneDevice():
        features = model(clip)
        features.sum().backward()
    assert features.shape == expected.shape


def test_the_order_of_longer_clips_is_made_once(monkeypatch):
    made = []
    make_order = VideoMamba.make_order

    def count(model, grid):
        made.append(grid)
        return make_order(model, grid)

    model = build(scan_backend='reference')
    monkeypatch.setattr(VideoMamba, 'make_order', count)
    clips = {frames: torch.randn(1, 3, frames, 32, 32) for frames in (6, 8)}
    with torch.inference_mode():
        first = {frames: model(clip) for frames, clip in clips.items()}
    assert made == [(3, 2, 2), (4, 2, 2)]
    # What inference has left behind serves training too.
    again = model.eval()(clips[8])
    again.sum().backward()
    assert len(made) == 2
    assert torch.equal(again, model(clips[8]))
    assert torch.equal(model(clips[6]), model(clips[6]))
    assert len(made) == 3
    torch.testing.assert_close(first[8], again)


def test_what_a_graph_cannot_hold_is_refused_here():
    numbers = torch.empty(2, device='meta')
    with OneDevice():
        with pytest.raises(RuntimeError, match='meta'):
            numbers.sum().item()
        with pytest.raises(NotImplementedError, match='meta'):
            numbers.cpu()
        with pytest.raises(RuntimeError, match='copies between devices'):
            torch.zeros(2).to('meta')


@pytest.mark.parametrize('multiprocessors', [1, 132])
def test_launching_the_kernels_reads_nothing(monkeypatch, multiprocessors):
    """With all that is launched around them, whole and in segments."""
    pytest.importorskip('triton')
    from mmvideomamba.ops.triton import launch, operators
    from mmvideomamba.ops.triton.conv import conv_kernel

    launched = []

    def take_note(kernel, grid):
        return lambda *args, **options: launched.append(kernel.fn.__name__)

    monkeypatch.setattr(type(conv_kernel), '__getitem__', take_note)
    monkeypatch.setattr(launch, 'multiprocessors', lambda _: multiprocessors)
    monkeypatch.setattr(torch.cuda, 'device_of', lambda _: nullcontext())

    def empty(*shape, dtype=torch.float32):
        return torch.empty(shape, dtype=dtype, device='meta')

    K, B, L, D, N = 2, 3, 70, 40, 4
    order = empty(K, L, dtype=torch.int64)
    data = [empty(K, B, L, D) for _ in 'ud']
    data += [empty(K, D, N), empty(K, B, L, N), empty(K, B, L, N)]
    data += [empty(K, D), empty(B, L, D), empty(K, D)]
    conv = empty(B, L, D), empty(K, D, 4), empty(K, D), order, 'silu'
    with OneDevice():
        _, kept = operators.selective_scan(True, *data, True, order)
        gradients = operators.selective_scan_backward(
            empty(B, L, D), kept, *data, True, order
        )
        operators.causal_conv1d(*conv)
        operators.causal_conv1d_backward(empty(K, B, L, D), *conv)
    assert [g.shape for g in gradients] == [t.shape for t in data]
    assert ('chain_kernel' in launched) == (multiprocessors > 1)
    assert {'backward_kernel', 'conv_gradient_kernel'} <= set(launched)


class FakeGraph:
    """Replays the function that was last called under `graph`."""

    def replay(self):
        self.out.copy_(self.function(*self.places))


@pytest.fixture
def fake_cuda(monkeypatch):
    """CUDA's streams and graphs as far as `capture_graph` needs them."""
    graphs = []
    stream = type('Stream', (), dict(wait_stream=lambda self, other: None))

    @contextmanager
    def capture(graph):
        graphs.append(graph)
        yield

    for name, value in (
        ('Stream', stream),
        ('stream', lambda stream: nullcontext()),
        ('current_stream', stream),
        ('CUDAGraph', FakeGraph),
        ('graph', capture),
    ):
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.Tensor, 'is_cuda', True)
    return graphs


def test_a_graph_replays_with_other_inputs(fake_cuda):
    captured = []

    def double(x):
        assert not torch.is_grad_enabled()
        assert not torch.is_autocast_cache_enabled()
        captured.append(bool(fake_cuda))
        out = 2 * x
        if fake_cuda:
            graph = fake_cuda[-1]
            graph.function, graph.places = lambda x: 2 * x, (x,)
            graph.out = out
        return out

    first = torch.tensor([1.0])
    replay = capture_graph(double, first)
    # Warmed up, then captured once; replays run no Python.
    assert captured == [False] * 3 + [True]
    assert torch.is_autocast_cache_enabled()
    results = [replay(torch.tensor([value])) for value in (3.0, 5.0)]
    assert results == [torch.tensor([6.0]), torch.tensor([10.0])]
    assert len(captured) == 4 and first.item() == 1.0
    with pytest.raises(ValueError, match=r'for \(1,\) .*, got \(2,\)'):
        replay(torch.zeros(2))
    with pytest.raises(ValueError, match='float32, got .* torch.float16'):
        replay(torch.zeros(1, dtype=torch.float16))


def test_inputs_that_are_not_on_a_gpu_are_refused():
    with pytest.raises(ValueError, match='inputs on a GPU, got one on cpu'):
        capture_graph(torch.neg, torch.zeros(1))
