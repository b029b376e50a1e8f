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


@pytest.mark.parametrize('content', ['', 'not a video', 'half'])
def test_a_broken_video_is_one_clear_line(arguments, folder, capsys, content):
    video = folder / 'broken.mp4'
    video.write_text(content)
    if content == 'half':
        whole = Path(arguments[0]).read_bytes()
        video.write_bytes(whole[: len(whole) // 2])
    arguments[0] = 'broken.mp4'
    assert_refused(capsys, 'error: broken.mp4: ', 'demo.py', *arguments)


@pytest.mark.parametrize(
    'checkpoint, message',
    [
        ('half', 'error: half.pth is damaged or incomplete'),
        ('foreign', 'error: the checkpoint has nothing for the backbone'),
        ('other', 'error: the checkpoint (mmvideomamba) does not fit'),
    ],
)
def test_an_unfit_checkpoint_is_one_clear_line(
    arguments, folder, capsys, checkpoint, message
):
    path = folder / f'{checkpoint}.pth'
    if checkpoint == 'half':
        whole = (folder / 'model.pth').read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif checkpoint == 'foreign':
        torch.save(dict(state_dict=dict(weight=torch.ones(2))), path)
    else:
        config = Config.fromfile(CONFIG).model
        config.backbone.arch = dict(embed_dims=48, num_layers=2)
        config.cls_head.in_channels = 48
        torch.save(dict(state_dict=MODELS.build(config).state_dict()), path)
    arguments[2] = path.name
    for script in 'demo.py', 'analysis_tools/vis_delta.py':
        assert_refused(capsys, message, script, *arguments)


def test_a_device_that_is_not_there_is_one_clear_line(arguments, capsys):
    device = '--device', f'cuda:{torch.cuda.device_count()}'
    message = f'error: {device[1]}: '
    assert_refused(capsys, message, 'demo.py', *arguments, *device)


def test_labels_that_are_no_text_are_one_clear_line(arguments, folder, capsys):
    (folder / 'binary.txt').write_bytes(b'\x80\x81')
    labels = '--labels', 'binary.txt'
    message = 'error: binary.txt: '
    assert_refused(capsys, message, 'demo.py', *arguments, *labels)


@pytest.mark.parametrize('count', [7, 9])
def test_every_class_has_one_name(arguments, folder, capsys, count):
    (folder / 'names.txt').write_text('name\n' * count)
    labels = '--labels', 'names.txt'
    message = f'error: names.txt has {count} names, the model 8 classes'
    assert_refused(capsys, message, 'demo.py', *arguments, *labels)
