"""Shared fixtures: the engines that run here and the one tolerance table."""

import os
import sys
from types import ModuleType

import pytest
import torch

# Without a GPU, Triton's kernels run in its interpreter, which must be asked
# for before anything imports Triton.
if not torch.cuda.is_available():
    os.environ['TRITON_INTERPRET'] = '1'

from mmvideomamba.ops import mamba_ssm
from mmvideomamba.ops.api import ENGINES

try:
    from mmengine.registry import init_default_scope
except ImportError:
    # tools/gpu_check.py tests the operators where there is nothing else.
    pass
else:
    # What a config's `default_scope` does for the runner.
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


@pytest.fixture(params=list(ENGINES))
def backend(request):
    """The name of each engine that can run on this machine's CPU."""
    reason = ENGINES[request.param].why_not('cpu')
    if reason is not None:
        pytest.skip(f'{request.param}: {reason}')
    return request.param


@pytest.fixture
def installed(monkeypatch):
    """mamba-ssm, causal-conv1d and their extensions where there is neither."""
    import mamba_ssm_stand_ins

    for package, (extension, name) in mamba_ssm.FUNCTIONS.items():
        module = ModuleType(package)
        setattr(module, name, getattr(mamba_ssm_stand_ins, name))
        monkeypatch.setitem(sys.modules, package, module)
        monkeypatch.setitem(sys.modules, extension, ModuleType(extension))
    mamba_ssm.load.cache_clear()
    yield
    mamba_ssm.load.cache_clear()


@pytest.fixture
def nan_poison():
    """Fill `torch.empty` with NaN, so that a gap in an output shows."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def assert_within(actual, expected, tolerance, what=''):
    """Compare with an error relative to the largest expected magnitude."""
    assert actual.shape == expected.shape, what
    scale = expected.abs().max().item() or 1.0
    error = (actual.double() - expected.double()).abs().max().item() / scale
    assert error <= tolerance, f'{what}: error {error:.2e} > {tolerance:.0e}'
