"""What the operators refuse, whichever way a call comes."""

import pytest
import torch
from test_operators import conv_inputs, inner_inputs, make_order, scan_inputs

from mmvideomamba.ops import (
    causal_conv1d,
    cpu,
    mamba_inner,
    rms_norm,
    selective_scan,
)

raw = torch.ops.mmvideomamba
needs_kernels = pytest.mark.skipif(
    cpu.why_not('cpu') is not None, reason=str(cpu.why_not('cpu'))
)


def call(operator, inputs, entry):
    """By the public function and a backend's name, or registered ('raw')."""
    name = operator.__name__
    if entry != 'raw':
        return operator(**inputs, backend=entry)
    tensors = dict(inputs)
    order = tensors.pop('order', None)
    if name == 'rms_norm':
        return raw.rms_norm(*tensors.values(), 1e-5, torch.float32)
    if name == 'causal_conv1d':
        return raw.causal_conv1d(*tensors.values(), order, 'silu')
    options = (True,) if name == 'selective_scan' else ()
    registered = getattr(raw, name)
    return registered(False, *tensors.values(), *options, order)


def norm_inputs(dtype=None):
    return dict(x=torch.ones(2, 3), weight=torch.ones(3))


OPERATORS = [
    (causal_conv1d, conv_inputs),
    (selective_scan, scan_inputs),
    (mamba_inner, inner_inputs),
    (rms_norm, norm_inputs),
]
OPTIONAL = {
    'causal_conv1d': ['bias'],
    'selective_scan': ['D', 'z', 'delta_bias'],
}


@pytest.fixture(params=['reference', 'cpu', 'raw'])
def entry(request):
    """The ways in."""
    if request.param != 'reference' and cpu.why_not('cpu') is not None:
        pytest.skip(cpu.why_not('cpu'))
    return request.param


@pytest.fixture(params=OPERATORS, ids=lambda pair: pair[0].__name__)
def operator_and_inputs(request):
    operator, make = request.param
    inputs = make(dtype=torch.float32)
    if operator is not rms_norm:
        inputs['order'] = make_order(2, 7)
    return operator, inputs


WRONG = {
    'integers': lambda t: t.int(),
    'bool': lambda t: t > 0,
    'uint8': lambda t: t.to(torch.uint8),
    'complex': lambda t: t.to(torch.complex64),
    'float8': lambda t: t.to(torch.float8_e4m3fn),
    'meta': lambda t: t.to('meta'),
    'sparse': lambda t: t.to_sparse(),
    'mkldnn': lambda t: t.to_mkldnn(),
    'numpy': lambda t: t.numpy(),
    'list': lambda t: t.tolist(),
    'another shape': lambda t: t[:, 1:] if t.ndim > 1 else t[1:],
    'another rank': lambda t: t[..., None],
}


@pytest.mark.parametrize('kind', WRONG)
def test_each_argument_is_refused_alone(operator_and_inputs, entry, kind):
    operator, inputs = operator_and_inputs
    call(operator, inputs, entry)
    for name, t in inputs.items():
        if name == 'order':
            continue
        with pytest.raises((TypeError, ValueError, RuntimeError)) as error:
            call(operator, dict(inputs, **{name: WRONG[kind](t)}), entry)
        if entry != 'raw':
            assert type(error.value) in (TypeError, ValueError)
            assert '\n' not in str(error.value)


def test_only_what_is_optional_may_be_missing(operator_and_inputs, entry):
    operator, inputs = operator_and_inputs
    optional = ['order', *OPTIONAL.get(operator.__name__, [])]
    for name in inputs:
        missing = dict(inputs, **{name: None})
        if name in optional:
            call(operator, missing, entry)
            continue
        with pytest.raises(TypeError, match=f'{name}: .* tensor, got None'):
            call(operator, missing, entry)


ORDERS = {
    'int32': lambda order: order.int(),
    'floats': lambda order: order.float(),
    'numpy': lambda order: order.numpy(),
    'meta': lambda order: order.to('meta'),
    'one direction': lambda order: order[:1],
    'a token less': lambda order: order[:, 1:],
    '-1': lambda order: torch.where(order == 3, -1, order),
    'beyond': lambda order: torch.where(order == 3, 7, order),
    'huge': lambda order: torch.where(order == 3, 2**62, order),
    'twice': lambda order: torch.where(order == 3, 4, order),
}


@pytest.mark.parametrize('kind', ORDERS)
@pytest.mark.parametrize('operator, make', OPERATORS[:3])
def test_an_order_is_refused(operator, make, entry, kind):
    order = ORDERS[kind](make_order(2, 7))
    with pytest.raises((TypeError, ValueError, RuntimeError)) as error:
        call(operator, dict(make(dtype=torch.float32), order=order), entry)
    if not (entry == 'raw' and kind == 'numpy'):
        assert type(error.value) in (TypeError, ValueError)


@pytest.mark.parametrize('operator, make', OPERATORS[:3])
@pytest.mark.parametrize('axis', 'KL')
def test_nothing_to_compute_along_is_refused(operator, make, entry, axis):
    with pytest.raises(ValueError, match=f'at least one .* got {axis} = 0'):
        call(operator, make(**{axis: 0}, dtype=torch.float32), entry)


@pytest.mark.parametrize('axis', 'BDN')
def test_other_axes_may_be_empty(entry, axis):
    inputs = scan_inputs(**{axis: 0}, dtype=torch.float32)
    out = call(selective_scan, inputs, entry)
    out = out[0] if entry == 'raw' else out
    expected = selective_scan(
        **inputs, delta_softplus=entry == 'raw', backend='reference'
    )
    torch.testing.assert_close(out, expected)


@needs_kernels
def test_backward_operators_check_what_was_kept():
    conv = conv_inputs(dtype=torch.float32).values()
    scan = scan_inputs(dtype=torch.float32)
    inner = inner_inputs(dtype=torch.float32)
    few = torch.ones(3)
    grad = torch.ones(2, 7, 3)
    out, *kept = raw.mamba_inner(True, *inner.values(), None)
    good = [
        (raw.mamba_inner_backward, [grad, *kept, *inner.values(), None], ()),
        (
            raw.selective_scan_backward,
            [grad, *raw.selective_scan(True, *scan.values(), True, None)[1:]]
            + [*scan.values(), True, None],
            ('D', 'z', 'delta_bias'),
        ),
        (
            raw.causal_conv1d_backward,
            [torch.ones(2, 2, 7, 3), *conv, None, None],
            ('bias',),
        ),
        (
            raw.rms_norm_backward,
            [torch.ones(2, 3), torch.ones(2, 3), few, torch.ones(2)],
            (),
        ),
    ]
    for operator, inputs, optional in good:
        assert operator(*inputs)
        arguments = operator.default._schema.arguments
        for i, (argument, t) in enumerate(zip(arguments, inputs)):
            if not isinstance(t, torch.Tensor):
                continue
            wrong = [torch.ones(5), t.int(), t.to('meta')]
            wrong += [] if argument.name in optional else [None]
            for bad in wrong:
                with pytest.raises((TypeError, ValueError)):
                    operator(*inputs[:i], bad, *inputs[i + 1 :])


@needs_kernels
def test_the_norms_kernel_takes_float32_alone():
    x, weight = torch.ones(2, 3), torch.ones(3)
    for bad in (
        (x.bfloat16(), weight, 1e-5, torch.float32),
        (x, weight.double(), 1e-5, torch.float32),
        (x, weight, 1e-5, torch.int64),
    ):
        with pytest.raises(ValueError):
            raw.rms_norm(*bad)


def test_an_order_is_looked_at_once_and_after_each_change(monkeypatch):
    looks = []
    sort = torch.Tensor.sort
    monkeypatch.setattr(
        torch.Tensor, 'sort', lambda t, dim: looks.append(1) or sort(t, dim)
    )
    inputs, order = scan_inputs(dtype=torch.float32), make_order(2, 7)
    for _ in range(3):
        selective_scan(**inputs, order=order)
    assert len(looks) == 1
    order[1, 0] = order[1, 1]
    with pytest.raises(ValueError, match='direction 1 visits 5 twice'):
        selective_scan(**inputs, order=order)
    order[1, 0] = 6
    selective_scan(**inputs, order=order)
    assert len(looks) == 3


@needs_kernels
def test_the_kernels_look_at_an_order_themselves():
    """Another thread may change it after the look."""
    order = make_order(2, 7)
    order[1, 0] = 2**40
    with pytest.raises(ValueError, match='every token exactly once'):
        cpu.kernels.causal_conv1d(
            *conv_inputs(dtype=torch.float32).values(), order, None
        )


@needs_kernels
def test_a_negated_view_is_read_as_it_is():
    x = torch.randn(2, 7, 3, dtype=torch.complex64).conj().imag
    assert x.is_neg()
    weight = torch.ones(1, 3, 1)
    out = causal_conv1d(x, weight, activation=None)
    assert torch.equal(out[0], x)


def test_orders_of_inference_mode_are_accepted(entry):
    with torch.inference_mode():
        inputs = scan_inputs(dtype=torch.float32)
        call(selective_scan, dict(inputs, order=make_order(2, 7)), entry)
