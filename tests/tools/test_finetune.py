"""From a folder of videos to a model and a report, in one command."""

import shutil
import signal

import pytest
import torch
from mmengine.config import Config
from small_checkpoints import make_state, save_wrapped
from tool_runner import assert_refused, run_command, run_tool
from video_files import write_frames

from mmvideomamba import get_model
from mmvideomamba.datasets.class_folders import OwnVideos
from mmvideomamba.datasets.motion_shapes import write_motion_shapes
from mmvideomamba.finetuning import (
    ClipSize,
    fit_clips,
    make_config,
    make_start,
)
from mmvideomamba.runner import PreemptionHook
from mmvideomamba.runner.warning_signals import SIGNALS

SMALL = ('--frames', 4, '--size', 32, '--epochs', 1)


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    """Three videos of each of two classes, names with spaces, one broken."""
    folder = tmp_path_factory.mktemp('clips')
    write_motion_shapes(str(folder / 'made'), 24, 0, num_frames=8, size=64)
    for name in ('move_left', 'move_right'):
        target = folder / 'root' / name.replace('_', ' ')
        shutil.copytree(folder / 'made' / 'videos' / name, target)
    (folder / 'root' / 'move left' / 'broken.mp4').write_bytes(b'no video')
    return folder / 'root'


@pytest.fixture(scope='module')
def trained(clips, tmp_path_factory):
    """The work folder of a training."""
    work = tmp_path_factory.mktemp('work')
    run_tool('finetune.py', clips, '--work-dir', work, *SMALL)
    return work


def test_a_folder_becomes_lists_a_model_and_a_report(trained):
    assert (trained / 'classes.txt').read_text() == 'move left\nmove right\n'
    train, val = (
        (trained / f'{split}_list.txt').read_text().splitlines()
        for split in ('train', 'val')
    )
    assert len(train) == 4 and len(val) == 2
    assert all(line.endswith((';0', ';1')) for line in train + val)
    assert not any('broken' in line for line in train + val)

    model = get_model(str(trained / 'run'))
    assert model.backbone.embed_dims == 96
    assert model.backbone.num_layers == 4
    assert model.backbone.grid == (2, 2, 2)
    report = (trained / 'report.md').read_text()
    assert report.startswith('top-1 ')
    assert '| move left ' in report and '| move right ' in report
    assert (trained / 'report.png').stat().st_size > 1000


def test_the_same_command_goes_on_and_another_is_refused(
    clips, trained, capsys
):
    before = (trained / 'run' / 'epoch_1.pth').stat().st_mtime_ns
    run_tool('finetune.py', clips, '--work-dir', trained, *SMALL)
    out = capsys.readouterr().out
    assert 'move left/broken.mp4: unreadable: ' in out
    assert '1 of 7 videos left aside' in out
    assert 'top-1 ' in out and f'mmvideomamba predict {trained} VIDEO' in out
    assert (trained / 'run' / 'epoch_1.pth').stat().st_mtime_ns == before
    arguments = (clips, '--work-dir', trained, *SMALL[:-1], 2)
    assert_refused(capsys, 'other settings', 'finetune.py', *arguments)


@pytest.fixture
def signals():
    """Those that a run ignores once it ends, as they were before."""
    before = {s: signal.getsignal(s) for s in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_an_interrupted_run_is_resumed_by_the_same_command(
    clips, tmp_path, monkeypatch, capsys, signals
):
    after_train_iter = PreemptionHook.after_train_iter

    def warn_once(hook, runner, batch_idx, *args, **kwargs):
        if runner.epoch == runner.iter == 0:
            signal.raise_signal(signal.SIGTERM)
        after_train_iter(hook, runner, batch_idx, *args, **kwargs)

    monkeypatch.setattr(PreemptionHook, 'after_train_iter', warn_once)
    command = ('finetune.py', clips, '--work-dir', tmp_path, *SMALL)
    with pytest.raises(SystemExit) as exit_info:
        run_tool(*command)
    assert exit_info.value.code == 75
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == 'Interrupted: the same command resumes'
    saved = torch.load(tmp_path / 'run' / 'in_epoch.pth')
    assert saved['meta']['iter'] == 1

    # Of the two steps of the epoch, one is left.
    steps = []

    def count(hook, runner, *args, **kwargs):
        steps.append(runner.iter)
        after_train_iter(hook, runner, *args, **kwargs)

    monkeypatch.setattr(PreemptionHook, 'after_train_iter', count)
    run_tool(*command)
    assert steps == [1]
    assert 'top-1 ' in capsys.readouterr().out
    assert not (tmp_path / 'run' / 'in_epoch.pth').exists()


def test_nothing_is_written_where_something_is_wrong(clips, tmp_path, capsys):
    script, work = 'finetune.py', ('--work-dir', tmp_path / 'work')
    root = tmp_path / 'root'
    root.mkdir()

    def refuse(message, *arguments):
        assert_refused(capsys, message, script, root, *work, *arguments)

    refuse('got no video')
    (root / 'wave').mkdir()
    shutil.copy(next(clips.glob('*/*0.mp4')), root / 'wave/1.mp4')
    refuse("got one class, 'wave'")
    shutil.copytree(root / 'wave', root / 'Wave')
    refuse("'Wave' and 'wave' differ by case alone")
    (root / 'Wave').rename(root / 'sit')
    refuse("class 'sit' has no video for train: each class needs two")
    for name in ('wave', 'sit'):
        write_frames(root / name / '1.mp4', [0])
        (root / name / '2.mp4').write_bytes(b'no video')
    refuse('none of the 4 videos in')
    capsys.readouterr()
    refuse("'person' is not in the name", '--group', 'person')
    refuse("file or folder is called 'videomumba'", '--weights', 'videomumba')
    # Before it looks at the videos.
    assert 'unreadable' not in capsys.readouterr().out
    wrong = save_wrapped(tmp_path / 'wrong.pth', make_state(32, times=4))
    weights = ('--arch', 'nano', '--weights', wrong)
    assert_refused(capsys, 'wrong.pth', script, clips, *work, *weights)
    assert_refused(
        capsys, 'divisible by 16', script, clips, *work, '--size', 50
    )
    assert_refused(
        capsys, 'divisible by 2', script, clips, *work, '--frames', 1
    )
    assert not (tmp_path / 'work').exists()


def test_the_work_folder_is_a_model(clips, trained, capsys, monkeypatch):
    """Everywhere in place of config and checkpoint."""
    monkeypatch.chdir(trained)
    video = next(clips.glob('*/*0.mp4'))
    for checkpoint in ((), (trained / 'run' / 'epoch_1.pth',)):
        run_command('predict', trained, *checkpoint, video)
        line = capsys.readouterr().out.splitlines()[-1]
        assert line.endswith(f'  {video}') and ' move ' in line
    run_command('report', trained, '--out', 'again')
    again = (trained / 'again.md').read_text()
    assert again == (trained / 'report.md').read_text()
    run_command('test', trained, '--brief', '--work-dir', trained / 'test')
    right = float(capsys.readouterr().out.split('acc/top1')[-1].split()[0])
    assert again.startswith(f'top-1 {100 * right:.1f} %')


def test_clips_follow_the_videos():
    for frames, side, expected in (
        (32, 96, (8, 64)),
        (300, 720, (16, 224)),
        (10, 40, (4, 32)),
    ):
        start = fit_clips(make_start(None, None), ClipSize(frames, side))
        backbone = start.backbone
        assert (backbone['num_frames'], backbone['img_size']) == expected
        assert backbone['arch'] == 'nano' and start.weights is None


def test_weights_bring_their_model_and_freeze_half_for_few_videos(tmp_path):
    name = 'videomamba-tiny-p16_opengvlab-8f_kinetics400-rgb'
    start = make_start(None, name, size=256)
    assert start.weights.endswith('videomamba_t16_k400_f8_res224.pth')
    assert start.backbone['num_frames'] == 8
    assert start.backbone['img_size'] == 256
    with pytest.raises(ValueError, match="not that of .*'tiny'"):
        make_start('small', name)

    def config_of(count):
        annotations = [(f'{number}.mp4', (0,)) for number in range(count)]
        videos = OwnVideos(
            ['a', 'b'], dict(train=annotations, val=annotations), '.'
        )
        path = tmp_path / f'{count}.py'
        path.write_text(make_config(videos, start, '/work'))
        return Config.fromfile(str(path))

    few, many = config_of(20), config_of(200)
    assert few.model.backbone.frozen_stages == 12
    assert 'frozen_stages' not in many.model.backbone
    assert few.optim_wrapper.optimizer.lr == pytest.approx(
        3e-4 * 5 / 64, rel=1e-3
    )
    assert many.train_cfg.max_epochs == 25
    assert any(hook.type == 'EMAHook' for hook in many.custom_hooks)


def test_weights_of_a_file_are_loaded(clips, tmp_path):
    # As OpenGVLab's files, of the nano model.
    state = make_state(96, layers=4, times=2, num_patches=4)
    path = save_wrapped(tmp_path / 'weights.pth', state)
    work = tmp_path / 'work'
    weights = ('--arch', 'nano', '--weights', path)
    run_tool('finetune.py', clips, '--work-dir', work, *weights, *SMALL)
    backbone = get_model(str(work / 'run')).backbone
    # The frozen half is as it came.
    expected = state['layers.0.mixer.in_proj.weight']
    assert torch.equal(backbone.layers[0].mixer.in_proj.weight, expected)
    moved = backbone.layers[3].mixer.in_proj.weight
    assert not torch.equal(moved, state['layers.3.mixer.in_proj.weight'])
