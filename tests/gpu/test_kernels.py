"""The operators' kernels, compiled for GPUs and run from their PTX on a CPU.

Outputs and all gradients against float64. More than CI has time for:

    pytest tests/gpu --gpu-kernels
    pytest tests/gpu --triton-versions 3.3.1 3.6.0
"""

import subprocess
import sys

import pytest

pytest.importorskip('triton')
import ptxrun
import torch
from conftest import GPU_TOLERANCES
from run_script import run_script

pytestmark = pytest.mark.skipif(
    ptxrun.why_not() is not None, reason=str(ptxrun.why_not())
)

# Compute capabilities, ten times, and the cases of `ptx_battery.py`.
IN_CI = [
    ('90', 'awkward'),
    ('90', 'small'),
    *((capability, 'quick') for capability in ('75', '80', '100', '120')),
]
THE_REST = [
    ('90', 'real'),
    ('90', 'long'),
    ('90', 'ex2'),
    *((capability, 'small') for capability in ('75', '80', '100', '120')),
]
SCAN_KERNELS = {
    'adjoint_ends_kernel',
    'backward_kernel',
    'chain_kernel',
    'forward_kernel',
    'gate_gradient_kernel',
    'gate_kernel',
    'replay_kernel',
}


def run_cases(capability, cases, **options):
    """The battery's lines, once all its cases agree and repeat."""
    # Compiling a large kernel well takes less than running it slowly.
    build = [] if cases in ('real', 'long', 'ex2') else ['--fast-build']
    header, *found = run_script(
        'ptx_battery.py', capability, cases, *build, **options
    )
    assert found
    for case in found:
        assert case['ok'] and case['repeat'] and not case['replicas'], case
    return header, found


@pytest.mark.parametrize('capability, cases', IN_CI)
def test_they_agree_with_the_reference(capability, cases):
    _, found = run_cases(capability, cases)
    if cases == 'awkward':
        ran = {kernel for case in found for kernel in case['kernels']}
        assert ran >= {*SCAN_KERNELS, 'conv_gradient_kernel'}


@pytest.mark.parametrize('capability, cases', THE_REST)
def test_the_rest_agrees(capability, cases, request):
    if not request.config.getoption('--gpu-kernels'):
        pytest.skip('with --gpu-kernels')
    run_cases(capability, cases)


def test_what_the_check_on_a_gpu_compares_agrees(request):
    if not request.config.getoption('--gpu-kernels'):
        pytest.skip('with --gpu-kernels')
    found = run_script('check_from_ptx.py', '90')
    compared = {record['operator'] for record in found}
    assert compared == {'scan', 'conv', 'inner'}


def test_a_model_has_the_gradients_of_the_reference():
    wide, narrow = run_script('model_from_ptx.py', '90')
    assert {'norm_gradient_kernel', 'backward_kernel'} <= {*wide['kernels']}
    assert wide['worst'] <= GPU_TOLERANCES[torch.float32][1]
    # Of each parameter's gradient.
    assert narrow['ratio'] <= 3


def test_other_versions_of_triton_agree(request, tmp_path):
    versions = request.config.getoption('--triton-versions')
    if not versions:
        pytest.skip('with --triton-versions')
    for version in versions:
        # Beside the torch that is here: it imports whichever is first.
        folder = tmp_path / version
        pip = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps']
        subprocess.run(
            [*pip, '--target', folder, f'triton=={version}'], check=True
        )
        for cases in ('quick', 'awkward', 'small'):
            header, _ = run_cases('90', cases, path=[folder])
            assert header['triton'] == version
