"""Random calls of the operators against the float64 reference.

Each is sound, or has one fault. A sound one agrees, outputs and gradients; a
fault is refused by an error; neither ends in a signal. On every instruction
set that this processor has.
"""

import sys
from functools import partial
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / 'ops'))

from conftest import TOLERANCES, assert_within
from test_backends import inner_slack, run
from test_operators import conv_inputs, inner_inputs, make_order, scan_inputs

from mmvideomamba.ops import causal_conv1d, cpu, mamba_inner, selective_scan
from mmvideomamba.ops.cpu import binding

SETS = ['baseline', 'avx2', 'avx512']
# Of so many cases, some are worse than those the table was made for.
SLACK = 4
DTYPES = [torch.float32, torch.float32, torch.bfloat16, torch.float16]


@pytest.fixture
def instruction_sets(monkeypatch):
    """Iterate to take one after another of those that this processor has."""
    if cpu.why_not('cpu') is not None:
        pytest.skip(cpu.why_not('cpu'))
    widest = SETS.index(binding.instruction_set())

    def each():
        for name in SETS[: widest + 1]:
            monkeypatch.setattr(binding, 'instruction_set', partial(str, name))
            yield name

    return each


def draw_call(random):
    """An operator, its inputs and options, all sound."""
    dtype = DTYPES[random.integers(len(DTYPES))]
    sizes = {
        axis: int(random.integers(1, most))
        for axis, most in dict(K=4, B=3, L=20, D=40, N=20, R=9, W=7).items()
    }
    if random.random() < 0.05:
        sizes['L'] = int(random.integers(60, 90))
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
    lambda t: t.new_ones(t.shape[0], t.shape[1] + 1, *t.shape[2:]),
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


def agree(operator, inputs, options, sets):
    """Outputs and gradients of every set, within the table's tolerances.

    A gradient that is a sum whose terms cancel is as exact as its terms: the
    error is compared with a tenth of the largest gradient at least.
    """
    wide = {n: None if t is None else t.double() for n, t in inputs.items()}
    expected = run(operator, wide, backend='reference', **options)
    largest = {name: _largest(value) for name, value in expected.items()}
    floor = 0.1 * max(v for name, v in largest.items() if name != 'out')
    for isa in sets():
        actual = run(operator, inputs, backend='cpu', **options)
        dtype = actual['out'].dtype
        for name, value in actual.items():
            tolerance = TOLERANCES[dtype][name != 'out'] * SLACK
            if operator is mamba_inner:
                tolerance *= inner_slack(dtype)
            if name != 'out' and 0 < largest[name] < floor:
                tolerance *= floor / largest[name]
            assert_within(value, expected[name], tolerance, f'{name} on {isa}')


def _largest(value):
    return value.abs().max().item() if value.numel() else 0.0


def is_refused(operator, inputs, options):
    """In one line, whatever the backend."""
    for backend in ('cpu', 'reference'):
        with pytest.raises((TypeError, ValueError)) as error:
            operator(**inputs, **options, backend=backend)
        assert '\n' not in str(error.value)


def test_random_calls(campaign, instruction_sets):
    for case in campaign.cases(10_000, as_test=20):
        with case:
            random = case.random
            operator, inputs, options = draw_call(random)
            if random.random() < 0.6:
                agree(operator, inputs, options, instruction_sets)
                case.outcome('agreed')
                continue
            name = 'weight' if operator is causal_conv1d else 'A'
            parameter = inputs[name]
            length = next(iter(inputs.values())).shape[-2]
            order = make_order(parameter.shape[0], length)
            spoilt = spoil(inputs, options, order, random)
            is_refused(operator, *spoilt)
            case.outcome('refused')
