"""The tutorials run from the first fence to the last, with less data.

Those that train or export take half a minute and run with `--robustness`.
"""

import os
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config
from pages import ROOT, TUTORIALS, commands, fences
from tool_runner import run_command, run_tool

from mmvideomamba.datasets.motion_shapes import write_motion_shapes
from mmvideomamba.registry import MODELS, SCAN_ORDERS

# What commands take after the page's arguments, to be quick.
SMALL = {
    'finetune': '--frames 4 --size 32 --epochs 1',
    'train': '--cfg-options train_cfg.max_epochs=1',
    'tools/data/motion_shapes.py': '--num-train 16 --num-test 8 --size 64',
    'tools/analysis_tools/delta_contrast.py': '--num-videos 2',
}
# These take seconds.
QUICK = ('delta',)
QUICKSTART = 'videomamba-nano-p16-nocls_1xb32-8x4x1-20e_motionshapes-rgb.py'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A clone in which `quickstart.sh` has run, its model untrained."""
    for name in ('configs', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        SCAN_ORDERS, '_module_dict', dict(SCAN_ORDERS.module_dict)
    )
    yield tmp_path
    for path in tmp_path.glob('*.py'):
        sys.modules.pop(path.stem, None)


def write_quickstart(folder):
    write_motion_shapes(str(folder / 'data/motion_shapes'), 0, 8, size=64)
    path = folder / 'configs/recognition/videomamba' / QUICKSTART
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(path).model)
    (folder / 'work_dirs/quickstart').mkdir(parents=True)
    torch.save(
        dict(state_dict=model.state_dict()),
        folder / 'work_dirs/quickstart/epoch_20.pth',
    )


@pytest.mark.parametrize('page', TUTORIALS, ids=lambda page: page.stem)
def test_tutorial(page, folder, pytestconfig):
    if page.stem not in QUICK and not pytestconfig.option.robustness:
        pytest.skip('--robustness runs it')
    if 'pip install onnx' in page.read_text():
        pytest.importorskip('onnxscript')
    if 'quickstart.sh' in page.read_text():
        write_quickstart(folder)
    shell, names = '', {}
    for fence in fences('bash', 'python', pages=[page]):
        if fence.title:
            (folder / fence.title).write_text(fence.text)
        elif 'dist_train.sh' in fence.text:
            start = ['bash', '-euc', fence.text]
            python = dict(os.environ, PYTHON=sys.executable)
            subprocess.run(start, check=True, env=python)
        elif fence.language == 'python':
            exec(compile(fence.text, str(fence), 'exec'), names)
        else:
            # The variables of earlier fences are there.
            started = len(commands(shell))
            shell += fence.text
            for words in commands(shell)[started:]:
                run(*words)


def run(program, *words):
    """Run a command in this process."""
    words = [*words, *SMALL.get(words[0], '').split()]
    if program == 'mmvideomamba':
        run_command(*words)
    elif program == 'python':
        assert words[0].startswith('tools/')
        run_tool(words[0][len('tools/') :], *words[1:])
    else:
        assert program == 'pip'
