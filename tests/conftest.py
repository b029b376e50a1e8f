"""Shared fixtures: the backends that run here."""

import os
import signal
import sys

import pytest
import torch
from campaign import Campaign
from tolerances import GPU_TOLERANCES, TOLERANCES  # noqa: F401  # for tests

# Processes of pytest-xdist ignore Ctrl-C, and so would what they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Without a GPU, Triton's kernels run in its interpreter, which must be asked
# for before anything imports Triton.
if not torch.cuda.is_available():
    os.environ['TRITON_INTERPRET'] = '1'

from mmvideomamba.ops import mamba_ssm
from mmvideomamba.ops.api import BACKENDS

try:
    from mmengine.registry import init_default_scope
except ImportError:
    # tools/gpu_check.py tests the operators where there is nothing else.
    def init_default_scope(scope):
        pass


# For the fixtures that live longer than a test.
init_default_scope('mmaction')


def pytest_addoption(parser):
    group = parser.getgroup('robustness', 'tests/robustness')
    group.addoption(
        '--robustness',
        action='store_true',
        help='play all cases of the campaigns, for minutes',
    )
    group.addoption(
        '--campaign-seed',
        type=int,
        metavar='SEED',
        help='play one case of each campaign, which a failure named',
    )
    group = parser.getgroup('gpu', 'tests/gpu')
    group.addoption(
        '--gpu-kernels',
        action='store_true',
        help='run all cases from PTX, at real sizes too, for ten minutes',
    )
    group.addoption(
        '--triton-versions',
        nargs='+',
        metavar='VERSION',
        help='run the cases with these versions too, which pip fetches',
    )


@pytest.fixture
def campaign(request):
    """Hands out random cases: few as a test, all with `--robustness`."""
    option = request.config.getoption
    campaign = Campaign(
        request.node.name,
        whole=option('--robustness'),
        only=option('--campaign-seed'),
    )
    yield campaign
    campaign.print_counts(request.config.get_terminal_writer())


@pytest.fixture(autouse=True)
def default_scope():
    """What a config's `default_scope` does, whatever the last test left."""
    init_default_scope('mmaction')


@pytest.fixture(params=list(BACKENDS))
def backend(request):
    """The name of each backend that can run on this machine's CPU."""
    if request.param == 'triton':
        request.getfixturevalue('interpreted_triton')
    reason = BACKENDS[request.param].why_not('cpu')
    if reason is not None:
        pytest.skip(f'{request.param}: {reason}')
    return request.param


@pytest.fixture
def interpreted_triton():
    """CPU tensors take the Triton kernels, which its interpreter runs."""
    if torch.cuda.is_available():
        pytest.skip('kernels are compiled, not interpreted')
    pytest.importorskip('triton')
    from triton_on_cpu import triton_on_cpu

    with triton_on_cpu():
        yield


@pytest.fixture
def installed(monkeypatch):
    """mamba-ssm, causal-conv1d and their extensions where there is neither."""
    from mamba_ssm_stand_ins import MODULES

    loaders = (mamba_ssm.selective_scan_fn, mamba_ssm.causal_conv1d_fn)
    for name, module in MODULES.items():
        monkeypatch.setitem(sys.modules, name, module)
    for loader in loaders:
        loader.forget()
    yield
    for loader in loaders:
        loader.forget()


@pytest.fixture
def nan_poison():
    """Fill `torch.empty` with NaN, so that a gap in an output shows."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def assert_within(actual, expected, tolerance, what=''):
    """Compare with an error relative to the largest expected magnitude."""
    assert actual.shape == expected.shape, what
    if not expected.numel():
        return
    scale = expected.abs().max().item() or 1.0
    error = (actual.double() - expected.double()).abs().max().item() / scale
    assert error <= tolerance, f'{what}: error {error:.2e} > {tolerance:.0e}'
