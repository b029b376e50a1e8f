"""A repaired wheel, with kernels, in an environment of its own.

Compiles for minutes: runs with `--robustness`, where auditwheel and patchelf
are installed, as the workflow does.
"""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import torch
from test_packaging import ROOT, build, source  # noqa: F401

# What is imported from where, the OpenMP runtimes, a model's output, and the
# seconds of its fastest pass.
PROGRAM = """
import json, time, torch
import mmvideomamba
from mmvideomamba.models import VideoMamba

torch.manual_seed(0)
model = VideoMamba(arch='nano', img_size=64, num_frames=8, scan_backend='cpu')
clip, durations = torch.randn(1, 3, 8, 64, 64), []
with torch.no_grad():
    for _ in range(50):
        start = time.perf_counter()
        output = model.eval()(clip)
        durations.append(time.perf_counter() - start)
with open('/proc/self/maps') as maps:
    runtimes = {line.split()[-1] for line in maps if 'libgomp' in line}
results = [mmvideomamba.__file__, sorted(runtimes), output.tolist()]
print(json.dumps([*results, min(durations)]))
"""


@pytest.fixture(scope='module')
def environment(request, tmp_path_factory):
    """The Python of an environment that has the wheel, in an empty folder.

    All but the package comes from the environment of the tests.
    """
    if not request.config.option.robustness:
        pytest.skip('--robustness runs it')
    pytest.importorskip('auditwheel')
    folder = tmp_path_factory.mktemp('installed')
    made = build('wheel', request.getfixturevalue('source'), folder, 'c++')
    repair = '-m auditwheel repair --exclude libgomp.so.1 -w repaired'
    start(sys.executable, *repair.split(), made, folder=folder)
    (wheel,) = (folder / 'repaired').glob('*.whl')

    venv.create(folder / 'venv')
    (site,) = (folder / 'venv/lib').glob('python*/site-packages')
    install = '-m pip install --no-index --no-deps --target'
    start(sys.executable, *install.split(), site, wheel, folder=folder)
    (site / 'tests.pth').write_text(str(Path(torch.__file__).parents[1]))
    return folder / 'venv/bin/python'


def start(python, *arguments, folder, path=''):
    """Run Python in a folder; returns what it prints."""
    return subprocess.run(
        [python, *arguments],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': path},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def test_one_openmp_runtime_the_same_bits_and_as_fast(environment, tmp_path):
    ours, theirs = (
        # The lines before it are the log's.
        json.loads(
            start(
                python, '-c', PROGRAM, folder=tmp_path, path=path
            ).splitlines()[-1]
        )
        for python, path in ((sys.executable, str(ROOT)), (environment, ''))
    )
    assert Path(ours[0]).is_relative_to(ROOT)
    assert Path(theirs[0]).is_relative_to(environment.parents[1])
    assert len(ours[1]) == len(theirs[1]) == 1
    assert ours[2] == theirs[2]
    assert theirs[3] < 1.2 * ours[3]


def test_tests_pass_against_it(environment, tmp_path):
    tests = [ROOT / 'tests/ops/test_cpu.py', ROOT / 'tests/models']
    options = ['-p', 'no:cacheprovider', *tests]
    assert 'passed' in start(
        environment, '-m', 'pytest', *options, folder=tmp_path
    )
