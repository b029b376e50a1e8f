"""tools/demo.py on a real video file."""

from pathlib import Path

import decord
import pytest
import torch
from mmengine.config import Config
from tool_runner import assert_refused, run_tool

from mmvideomamba.datasets.motion_shapes import CLASSES, write_motion_shapes
from mmvideomamba.registry import MODELS

CONFIG = (
    Path(__file__).resolve().parents[2] / 'configs/recognition/videomamba/'
    'videomamba-nano-p16_1xb32-8x4x1-30e_motionshapes-rgb.py'
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('demo')
    write_motion_shapes(str(folder), 1, 0, num_frames=12, size=64)
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(CONFIG).model)
    torch.save(dict(state_dict=model.state_dict()), folder / 'model.pth')
    return folder


@pytest.fixture
def arguments(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return ['videos/move_left/train_00000.mp4', CONFIG, 'model.pth']


def test_prints_the_best_five_and_writes_a_video(arguments, folder, capsys):
    run_tool('demo.py', *arguments, '--device', 'cpu')
    *lines, last = capsys.readouterr().out.splitlines()[-6:]
    shares = [float(line.split('%')[0]) for line in lines]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 100.1
    assert {line.split()[1] for line in lines} < set(CLASSES)
    assert last == 'annotated video: train_00000_pred.mp4'
    written = decord.VideoReader(str(folder / 'train_00000_pred.mp4'))
    assert len(written) == 12


def test_names_may_come_from_a_file(arguments, folder, capsys):
    (folder / 'names.txt').write_text('\n'.join('abcdefgh'))
    run_tool('demo.py', *arguments, '--labels', 'names.txt', '--out', 'o.mp4')
    lines = capsys.readouterr().out.splitlines()[-6:-1]
    assert {line.split()[1] for line in lines} < set('abcdefgh')
    assert (folder / 'o.mp4').exists()


@pytest.mark.parametrize('missing', range(3))
def test_a_missing_file_is_one_clear_line(arguments, capsys, missing):
    arguments[missing] = 'nowhere'
    assert_refused(capsys, 'no such file: nowhere', 'demo.py', *arguments)
