"""The registered operators: what compilers and exporters see of them."""

import pytest
import torch
from test_operators import conv_inputs, inner_inputs, make_order, scan_inputs
from torch import library
from torch.utils.flop_counter import FlopCounterMode

from mmvideomamba.ops import (
    causal_conv1d,
    cpu,
    mamba_inner,
    rms_norm,
    selective_scan,
    triton,
)


@pytest.fixture(params=['cpu', 'triton'])
def kernels(request):
    """The backend whose kernels `torch.ops.mmvideomamba` takes here."""
    if request.param == 'triton':
        request.getfixturevalue('interpreted_triton')
    elif cpu.why_not('cpu') is not None:
        pytest.skip(cpu.why_not('cpu'))
    return request.param


class Both(torch.nn.Module):
    """The two operators in a row, as a mixer uses them."""

    def __init__(self, backend):
        super().__init__()
        self.backend = backend
        self.order = make_order(2, 7)
        for name, t in conv_inputs(dtype=torch.float32).items():
            if name != 'x':
                setattr(self, name, torch.nn.Parameter(t))
        self.A = torch.nn.Parameter(scan_inputs(dtype=torch.float32)['A'])

    def forward(self, x):
        u = causal_conv1d(
            x, self.weight, self.bias, self.order, backend=self.backend
        )
        B, C = u.repeat(1, 1, 1, 3).chunk(2, dim=-1)
        B, C = B[..., :4], C[..., :4]
        return selective_scan(
            u,
            u,
            self.A,
            B,
            C,
            z=x,
            delta_softplus=True,
            order=self.order,
            backend=self.backend,
        )


def test_operators_pass_opcheck(kernels):
    """Schema, fake kernel, autograd and dynamic shapes, as torch checks."""
    scan = scan_inputs(dtype=torch.float32)
    tensors = [t.requires_grad_() for t in scan.values()]
    library.opcheck(
        torch.ops.mmvideomamba.selective_scan.default,
        (True, *tensors, True, make_order(2, 7)),
    )
    conv = conv_inputs(dtype=torch.float32)
    tensors = [t.requires_grad_() for t in conv.values()]
    library.opcheck(
        torch.ops.mmvideomamba.causal_conv1d.default,
        (*tensors, make_order(2, 7), 'silu'),
    )


@pytest.fixture
def cpp():
    """The C++ kernels."""
    if cpu.why_not('cpu') is not None:
        pytest.skip(cpu.why_not('cpu'))


def test_inner_passes_opcheck(kernels):
    # So many that C++ keeps states; each takes the interpreter long.
    L = 20 if kernels == 'cpu' else 3
    inner = inner_inputs(L=L, dtype=torch.float32)
    tensors = [t.requires_grad_() for t in inner.values()]
    library.opcheck(
        torch.ops.mmvideomamba.mamba_inner.default,
        (True, *tensors, make_order(2, L)),
    )


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_inner_that_keeps_nothing_passes_opcheck(kernels, dtype):
    inputs = inner_inputs(L=3, dtype=dtype).values()
    library.opcheck(
        torch.ops.mmvideomamba.mamba_inner.default,
        (False, *inputs, make_order(2, 3)),
        test_utils=['test_schema', 'test_faketensor'],
    )


def test_inner_is_one_node_and_compiles(kernels):
    inner = inner_inputs(dtype=torch.float32)
    xz = inner.pop('xz')
    weights = {k: t.requires_grad_() for k, t in inner.items()}

    class Inner(torch.nn.Module):
        def forward(self, xz):
            order = make_order(2, 7)
            return mamba_inner(xz, **weights, order=order, backend=kernels)

    exported = torch.export.export(Inner(), (xz,))
    targets = [str(node.target) for node in exported.graph.nodes]
    assert targets.count('mmvideomamba.mamba_inner.default') == 1
    compiled = torch.compile(Inner(), backend='aot_eager', fullgraph=True)
    eager, traced = (
        torch.autograd.grad(model(xz).sum(), list(weights.values()))
        for model in (Inner(), compiled)
    )
    torch.testing.assert_close(traced, eager)


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_pytorch_counts_the_operations(cpp, device):
    """And twice as many in backward."""
    K, B, L, D, N, R, W = 2, 3, 20, 5, 4, 2, 3
    inputs = {
        name: t.to(device).requires_grad_()
        for name, t in inner_inputs(
            K, B, L, D, N, R, W, dtype=torch.float32
        ).items()
    }
    with FlopCounterMode(display=False) as counter:
        out = mamba_inner(**inputs, order=make_order(K, L).to(device))
    per_element = W + (R + 2 * N) + R + 9 * N + 2
    forward = 2 * K * B * L * D * per_element
    assert counter.get_total_flops() == forward
    with FlopCounterMode(display=False) as counter:
        out.sum().backward()
    assert counter.get_total_flops() == 2 * forward


def test_inner_keeps_the_projections_and_what_its_scan_does(kernels):
    """And, on a GPU, what the scan takes of each token and channel."""
    inner = inner_inputs(L=40, D=20, dtype=torch.float32).values()
    operator = torch.ops.mmvideomamba.mamba_inner
    _, *kept = operator(False, *inner, None)
    assert [t.numel() for t in kept] == [0, 0, 0]
    out, *kept = operator(True, *inner, None)
    projected = 2, 2, 40, 10
    if kernels == 'cpu':
        expected = [projected, (2, 2, 2, 2, 4, 16), (0,)]
    else:
        expected = [projected, out.shape, (2, 2, 2, 40, 20)]
    assert [t.shape for t in kept] == expected


def test_compile_gives_the_same_gradients(kernels):
    model = Both(kernels)
    compiled = torch.compile(model, backend='aot_eager', fullgraph=True)
    x = torch.randn(2, 7, 3)
    results = []
    for forward in (model, compiled):
        out = forward(x)
        results.append(
            [out, *torch.autograd.grad(out.sum(), list(model.parameters()))]
        )
    for eager, traced in zip(*results):
        torch.testing.assert_close(traced, eager)


def test_export_keeps_each_operator_as_one_node(kernels):
    exported = torch.export.export(Both(kernels), (torch.randn(2, 7, 3),))
    targets = [str(node.target) for node in exported.graph.nodes]
    for name in ('causal_conv1d', 'selective_scan'):
        assert targets.count(f'mmvideomamba.{name}.default') == 1
    x = torch.randn(2, 7, 3)
    torch.testing.assert_close(exported.module()(x), Both(kernels)(x))


def test_a_model_exported_without_gradients_runs_with_them_on(kernels):
    x = torch.randn(2, 7, 3)
    with torch.no_grad():
        exported = torch.export.export(Both(kernels), (x,)).module()
    out = exported(x)
    torch.testing.assert_close(out, Both(kernels)(x))
    with pytest.raises(RuntimeError, match='exported under torch.no_grad'):
        out.sum().backward()


class Undefined(torch.autograd.Function):
    """Passes nothing back."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return None


@pytest.mark.parametrize(
    'operator, make_inputs',
    [
        (selective_scan, scan_inputs),
        (mamba_inner, inner_inputs),
        (
            rms_norm,
            lambda dtype: dict(x=torch.ones(2, 3), weight=torch.ones(3)),
        ),
    ],
)
def test_an_undefined_gradient_stays_undefined(operator, make_inputs):
    inputs = make_inputs(dtype=torch.float32)
    leaves = {k: t.clone().requires_grad_() for k, t in inputs.items()}
    Undefined.apply(operator(**leaves)).sum().backward()
    assert all(t.grad is None for t in leaves.values())


def test_states_are_kept_only_for_a_backward_pass(kernels):
    inputs = scan_inputs(L=40, dtype=torch.float32).values()
    operator = torch.ops.mmvideomamba.selective_scan
    _, kept = operator(False, *inputs, True, None)
    assert kept.numel() == 0
    out, kept = operator(True, *inputs, True, None)
    # The Triton kernels keep what they gate.
    assert kept.numel() and (kept.shape == out.shape) == (kernels == 'triton')


def test_second_derivatives_are_refused(kernels):
    inputs = scan_inputs(dtype=torch.float32)
    u = inputs['u'].requires_grad_()
    out = selective_scan(**inputs, backend=kernels)
    (grad,) = torch.autograd.grad(out.sum(), u, create_graph=True)
    with pytest.raises(RuntimeError, match="use backend='reference'"):
        grad.sum().backward()


def test_second_derivatives_of_inner_are_refused(kernels):
    inner = inner_inputs(dtype=torch.float32)
    xz = inner.pop('xz').requires_grad_()
    out = mamba_inner(xz, **inner, backend=kernels)
    (grad,) = torch.autograd.grad(out.sum(), xz, create_graph=True)
    with pytest.raises(RuntimeError, match="use backend='reference'"):
        grad.sum().backward()


def test_sizes_that_depend_on_data_compile(cpp):
    """Nothing is asked of a size that only running tells."""
    conv = conv_inputs(L=6, dtype=torch.float32)
    mask = torch.tensor([True, False])

    def some(x):
        return causal_conv1d(x[mask], conv['weight'], conv['bias'])

    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        compiled = torch.compile(some, backend='aot_eager', fullgraph=True)
        torch.testing.assert_close(compiled(conv['x']), some(conv['x']))


def test_each_triton_kernel_is_registered_for_gpus():
    for name in triton.KERNELS:
        assert torch._C._dispatch_has_kernel_for_dispatch_key(
            f'mmvideomamba::{name}', 'CUDA'
        )
