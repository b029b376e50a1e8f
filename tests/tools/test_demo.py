"""tools/demo.py on a real video file."""

import io
from pathlib import Path

import cv2
import decord
import numpy as np
import pytest
import torch
from mmengine.config import Config
from nano_recognizer import CONFIG, write_clips_and_weights
from tool_runner import assert_refused, run_tool

from mmvideomamba.datasets.motion_shapes import CLASSES
from mmvideomamba.registry import MODELS


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('demo')
    write_clips_and_weights(folder, 1)
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


def test_names_of_any_script_in_utf8_with_a_byte_order_mark(
    arguments, folder, capsys
):
    names = ['бег', 'шаг', 'мах', 'вис', 'лёт', 'бой', 'миг', 'ход']
    (folder / 'names.txt').write_text('\r\n'.join(names), 'utf-8-sig')
    run_tool('demo.py', *arguments, '--labels', 'names.txt', '--out', 'o.mp4')
    lines = capsys.readouterr().out.splitlines()[-6:-1]
    assert {line.split()[1] for line in lines} < set(names)


def test_a_terminal_without_the_letters(arguments, folder, monkeypatch):
    (folder / 'names.txt').write_text('\n'.join('абвгдежз'), 'utf-8')
    output = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
    monkeypatch.setattr('sys.stdout', output)
    labels = '--labels', 'names.txt', '--no-video'
    run_tool('demo.py', *arguments, *labels)
    output.flush()
    assert b'\\u043' in output.buffer.getvalue()


def test_the_video_can_be_left_out(arguments, tmp_path, monkeypatch, capsys):
    arguments[0] = Path(arguments[0]).resolve()
    arguments[2] = Path(arguments[2]).resolve()
    monkeypatch.chdir(tmp_path)
    run_tool('demo.py', *arguments, '--no-video')
    assert 'annotated video' not in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    both = '--no-video', '--out', 'o.mp4'
    message = 'not allowed with argument'
    assert_refused(capsys, message, 'demo.py', *arguments, *both)


@pytest.fixture(scope='module')
def frames(folder):
    """The frames of the video, as a folder and as an array."""
    path = folder / 'videos/move_left/train_00000.mp4'
    frames = decord.VideoReader(str(path))[:].asnumpy()
    np.save(folder / 'frames.npy', frames)
    (folder / 'frames').mkdir()
    for number, frame in enumerate(frames, 1):
        name = str(folder / f'frames/img_{number:05}.png')
        cv2.imwrite(name, np.ascontiguousarray(frame[..., ::-1]))


@pytest.mark.parametrize(
    'video, decode',
    [('frames', 'RawFrameDecode'), ('frames.npy', 'ArrayDecode')],
)
def test_frames_score_as_their_video(
    video, decode, frames, arguments, folder, capsys
):
    run_tool('demo.py', *arguments, '--no-video')
    expected = capsys.readouterr().out.splitlines()[-5:]
    config = Config.fromfile(CONFIG)
    dataset = config.test_dataloader.dataset
    _, sample, clip_decode, *others = dataset.pipeline
    resize = dict(type='Resize', scale=clip_decode.scale)
    dataset.pipeline = [sample, dict(type=decode), resize, *others]
    dataset.filename_tmpl = 'img_{:05}.png'
    config.dump(str(folder / 'frames.py'))
    arguments = [video, 'frames.py', 'model.pth']
    run_tool('demo.py', *arguments)
    *lines, last = capsys.readouterr().out.splitlines()[-6:]
    assert lines == expected
    assert last == 'annotated video: frames_pred.mp4'
    assert len(decord.VideoReader(str(folder / 'frames_pred.mp4'))) == 12
    arguments[0] = 'videos/move_left/train_00000.mp4'
    message = f'({decode}), got the file {arguments[0]}'
    assert_refused(capsys, message, 'demo.py', *arguments)


def test_the_video_is_not_overwritten(arguments, capsys):
    before = Path(arguments[0]).read_bytes()
    message = '--out is the video itself'
    assert_refused(
        capsys, message, 'demo.py', *arguments, '--out', arguments[0]
    )
    assert Path(arguments[0]).read_bytes() == before


def test_a_folder_for_a_config_that_reads_files(arguments, capsys):
    arguments[0] = 'videos'
    message = 'reads a video file (ClipDecode), got the folder videos'
    for script in 'demo.py', 'analysis_tools/vis_delta.py':
        assert_refused(capsys, message, script, *arguments)


@pytest.mark.parametrize('missing', range(3))
def test_a_missing_file_is_one_clear_line(arguments, capsys, missing):
    arguments[missing] = 'no/where'
    assert_refused(capsys, 'no such file: no/where', 'demo.py', *arguments)


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
