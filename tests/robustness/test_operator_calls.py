"""Random calls of the operators against the float64 reference.

Each is sound, or has one fault. A sound one agrees, outputs and gradients; a
fault is refused by an error; neither ends in a signal. On every instruction
set that this processor has.
"""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / 'ops'))

from conftest import TOLERANCES
from test_backends import compare, inner_slack
from test_operators import conv_inputs, inner_inputs, make_order, scan_inputs

from mmvideomamba.ops import causal_conv1d, cpu, mamba_inner, selective_scan
from mmvideomamba.ops.cpu import binding

SETS = ['baseline', 'avx2', 'avx512']
DTYPES = [torch.float32, torch.float32, torch.bfloat16, torch.float16]


@pytest.fixture(params=SETS)
def instruction_set(request, monkeypatch):
    """Each that this processor has."""
    if cpu.why_not('cpu') is not None:
        pytest.skip(cpu.why_not('cpu'))
    if SETS.index(request.param) > SETS.index(binding.instruction_set()):
        pytest.skip(f'this processor has no {request.param}')
    monkeypatch.setattr(binding, 'instruction_set', lambda: request.param)


def draw_call(random):
    """An operator, its inputs and options, all sound."""
    dtype = DTYPES[random.integers(len(DTYPES))]
    sizes = {
        axis: int(random.integers(1, most))
        for axis, most in dict(K=4, B=4, L=70, D=40, N=20, R=9, W=7).items()
    }
    make, axes, operator = [
        (conv_inputs, 'KBLDW', causal_conv1d),
        (scan_inputs, 'KBLDN', selective_scan),
        (inner_inputs, 'KBLDNRW', mamba_inner),
    ][random.integers(3)]
    if random.random() < 0.1:
        sizes['BD'[random.integers(2)]] = 0
    inputs = make(
        **{axis: sizes[axis] for axis in axes},
        dtype=dtype,
        seed=int(random.integers(2**31)),
    )
    optional = dict(causal_conv1d=['bias'], selective_scan=['D', 'z'])
    for name in optional.get(operator.__name__, []):
        if random.random() < 0.3:
            inputs[name] = None
    inputs = {name: restride(t, random) for name, t in inputs.items()}
    options = {}
    if random.random() < 0.7:
        options['order'] = make_order(sizes['K'], sizes['L'])
    if operator is selective_scan:
        options['delta_softplus'] = True
    return operator, inputs, options


def restride(t, random):
    """The same numbers, laid out in another way."""
    way = random.integers(4)
    if t is None or way == 0:
        return t
    if way == 1:
        return t.transpose(0, -1).contiguous().transpose(0, -1)
    if way == 2:
        return torch.cat([t, t], dim=-1)[..., : t.shape[-1]]
    return torch.stack([t, t], dim=-1)[..., 0]


FAULTS = [
    lambda t: None,
    lambda t: t.int(),
    lambda t: t.bool(),
    lambda t: t.to(torch.uint8),
    lambda t: t.to(torch.complex64),
    lambda t: t.to(torch.float8_e5m2),
    lambda t: t.to('meta'),
    lambda t: t.to_sparse(),
    lambda t: t.tolist(),
    lambda t: t[None],
    lambda t: t.flatten(),
    lambda t: torch.cat([t, t[:, :1]], dim=1),
]


def spoil(inputs, options, order_of, random):
    """Give one of the tensors a fault."""
    if random.random() < 0.3:
        order = order_of.clone()
        step = random.integers(order.shape[1])
        order[-1, step] = [-1, order.shape[1], 2**62][random.integers(3)]
        return inputs, dict(options, order=order)
    required = [
        name
        for name, t in inputs.items()
        if t is not None and name not in ('bias', 'D', 'z', 'delta_bias')
    ]
    name = required[random.integers(len(required))]
    fault = FAULTS[random.integers(len(FAULTS))]
    spoilt = dict(inputs, **{name: fault(inputs[name])})
    return spoilt, dict(options, order=order_of)


def test_random_calls(campaign, instruction_set):
    for case in campaign.cases(10_000, as_test=40):
        with case:
            random = case.random
            operator, inputs, options = draw_call(random)
            if random.random() < 0.5:
                dtype = next(iter(inputs.values())).dtype
                slack = 2 * (inner_slack(dtype) if dtype in TOLERANCES else 1)
                compare(operator, inputs, 'cpu', slack, **options)
                case.outcome('agreed')
                continue
            first = next(iter(inputs.values()))
            weight = inputs.get('A', inputs.get('weight'))
            if 'conv_weight' in inputs:
                weight = inputs['conv_weight']
            length = first.shape[-2]
            order = make_order(weight.shape[0], length)
            inputs, options = spoil(inputs, options, order, random)
            backend = ['cpu', 'reference'][random.integers(2)]
            with pytest.raises((TypeError, ValueError)) as error:
                operator(**inputs, **options, backend=backend)
            assert '\n' not in str(error.value)
            case.outcome('refused')
