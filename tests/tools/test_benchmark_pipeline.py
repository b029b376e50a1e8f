"""tools/analysis_tools/benchmark_pipeline.py, run as a user runs it."""

import itertools
import json
import sys

import numpy as np
import pytest
from tool_runner import assert_refused, run_tool
from video_files import write_frames, write_sound

from mmvideomamba.benchmark.sample_videos import moving_textures

SCRIPT = 'analysis_tools/benchmark_pipeline.py'
STEPS = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=4, frame_interval=2),
    dict(type='ClipDecode', scale=(-1, 48)),
    dict(type='VideoRandAugment'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]


@pytest.fixture
def config(tmp_path):
    """A config with a pipeline for training alone."""
    dataset = dict(type='CheckedVideoDataset', ann_file='-', pipeline=STEPS)
    path = tmp_path / 'config.py'
    path.write_text(
        f'train_dataloader = dict(dataset={dataset!r})\n'
        'test_dataloader = dict(dataset=dict(type="VideoDataset"))\n'
        'val_dataloader = dict(dataset=dict(pipeline=[dict(type="Flip")]))\n'
    )
    return path


def test_a_record_of_ours_beside_mmaction2s(config, tmp_path, capsys):
    pytest.importorskip('decord')
    video = write_frames(tmp_path / 'a.mp4')
    path = tmp_path / 'pipeline.json'
    run_tool(
        SCRIPT,
        *(config, '--video', video, '--passes', 'train', '--rounds', 3),
        *('--rate', 50, '--json', path),
    )
    record = json.loads(path.read_text())
    assert record['benchmark'] == 'pipeline'
    assert [r['name'] for r in record['results']] == [
        'mmvideomamba',
        'mmaction2',
    ]
    for row in record['results']:
        assert row['pass'] == 'train' and row['video'] == video
        assert row['rounds'] == 3 and row['error'] is None
        assert row['clips_per_second'] == pytest.approx(1 / row['median'])
        assert row['stages']['decode'] > 0 and row['stages']['open'] > 0
        assert sum(row['stages'].values()) == pytest.approx(
            row['median'], rel=0.9
        )
    # mmaction2 scales in a step of its own.
    ours, theirs = record['results']
    assert ours['stages']['resize'] == 0 < theirs['stages']['resize']
    printed = capsys.readouterr().out
    cores = f'{50 * ours["median"]:.1f}'
    assert 'cores for 50/s' in printed and f' {cores} |' in printed


def test_decoders(config, tmp_path, capsys):
    video = write_frames(tmp_path / 'a.mp4')
    arguments = ('--passes', 'train', '--rounds', 1, '--decoders')
    run_tool(SCRIPT, config, '--video', video, *arguments)
    header, _, row = capsys.readouterr().out.strip().split('\n')
    assert 'open_video' in header and 'PyAV' in header and 'OpenCV' in header
    assert row.startswith('| train, a.mp4')


def test_videos_that_are_none(config, tmp_path, capsys):
    sound = write_sound(tmp_path / 'a.mp4')
    for path, reason in (
        (sound, 'the file has no video stream'),
        (config, 'Invalid data'),
        (tmp_path / 'gone.mp4', 'there is no such file'),
    ):
        arguments = ('--video', path, '--passes', 'train')
        assert_refused(capsys, f'{path}: {reason}', SCRIPT, config, *arguments)


def test_pipelines_that_are_not_there(config, tmp_path, capsys):
    video = write_frames(tmp_path / 'a.mp4')
    arguments = (SCRIPT, config, '--video', video, '--passes')
    message = 'the dataset of test_dataloader has no pipeline'
    assert_refused(capsys, message, *arguments, 'test')
    assert_refused(capsys, 'decodes no video', *arguments, 'val')
    config.write_text('model = dict()\n')
    message = 'error: the config has no train_dataloader'
    assert_refused(capsys, message, *arguments, 'train')


def test_without_decord(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'decord', None)
    video = write_frames(tmp_path / 'a.mp4')
    arguments = ('--video', video, '--passes', 'train')
    message = 'pip install decord'
    assert_refused(capsys, message, SCRIPT, config, *arguments)


def test_sample_videos_move_and_repeat_themselves_when_made_again():
    first, second, third = itertools.islice(moving_textures(3, 68, 52), 3)
    assert first.shape == (52, 68, 3) and first.dtype == np.uint8
    assert np.ptp(first) > 150
    moved = np.abs(first.astype(int) - third).mean()
    assert 2 < np.abs(first.astype(int) - second).mean() < moved
    assert np.array_equal(first, next(moving_textures(3, 68, 52)))
