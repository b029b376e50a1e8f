"""Shared fixtures: the backends that run here and the one tolerance table."""

import os
import signal
import sys
from types import ModuleType

import pytest
import torch
from campaign import Campaign

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

# Largest error allowed against the float64 reference, relative to the largest
# magnitude of the compared tensor: (outputs, gradients). Inputs and parameters
# are rounded to the dtype first, so only the arithmetic is measured.
TOLERANCES = {
    torch.float64: (1e-12, 1e-12),
    torch.float32: (2e-6, 1e-5),
    torch.bfloat16: (8e-3, 8e-3),
    torch.float16: (1e-3, 1e-3),
}
# The same on a GPU, whose exponential may be off by two units in the last
# place: docs/scan_backends.md estimates what that makes of decays near one.
GPU_TOLERANCES = {**TOLERANCES, torch.float32: (4e-6, 5e-5)}


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
    import mamba_ssm_stand_ins

    loaders = (mamba_ssm.selective_scan_fn, mamba_ssm.causal_conv1d_fn)
    for package, name in (
        ('mamba_ssm', 'selective_scan_fn'),
        ('causal_conv1d', 'causal_conv1d_fn'),
    ):
        module = ModuleType(package)
        setattr(module, name, getattr(mamba_ssm_stand_ins, name))
        monkeypatch.setitem(sys.modules, package, module)
    for extension in ('selective_scan_cuda', 'causal_conv1d_cuda'):
        monkeypatch.setitem(sys.modules, extension, ModuleType(extension))
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
