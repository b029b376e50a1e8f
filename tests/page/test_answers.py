"""What is said and drawn of a clip."""

import re

import numpy as np
import pytest
import torch
from small_training import write_training

from mmvideomamba.apis import recognize
from mmvideomamba.datasets.motion_shapes import CLASSES
from mmvideomamba.model_zoo import find_model
from mmvideomamba.page.answers import (
    draw_delta,
    draw_effective_context,
    explain,
    recognize_upload,
    show_scores,
)
from mmvideomamba.page.models import Models
from mmvideomamba.video import read_video, write_video


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    """A test clip of each class."""
    return write_training(tmp_path_factory.mktemp('training'))


@pytest.fixture(scope='module')
def model(clips):
    folder = clips[0].split('/videos/')[0]
    return Models('mine', find_model(folder)).load('mine')


def test_the_five_best_classes_of_a_clip(model, clips):
    for name, clip in zip(CLASSES, clips):
        (answer,) = recognize_upload(model, clip)
        assert list(answer.scores.items()) == recognize(model, clip)[:5]
        assert next(iter(answer.scores)) == name
        assert answer.time_line is None


def test_longer_clips_get_a_time_line(model, clips, tmp_path):
    left, grow = (list(read_video(clips[n])[0]) for n in (0, 6))
    path = str(tmp_path / 'long.mp4')
    write_video(path, left * 5 + grow * 5, fps=12)
    first, second = recognize_upload(model, path)
    assert first.time_line is None
    assert second.scores == first.scores
    (axes,) = second.time_line.axes
    assert axes.get_xlim() == pytest.approx((0, 10))
    assert [bar.get_width() for bar in axes.patches] == [2] * 5


def test_delta_is_drawn_over_the_clip(model, clips):
    caption, figure = draw_delta(model, clips[0])
    assert caption.startswith('Where delta')
    titles = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert titles[:2] == ['clip', 'block 0']


def test_the_effective_context_is_drawn_over_the_clip(model, clips):
    caption, figure = draw_effective_context(model, clips[0])
    half, most = map(int, re.findall(r'(\d+)%', caption))
    assert 0 < half < most < 100
    titles = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert titles == ['clip', 'influence']


def test_other_models_cannot_be_looked_into(clips):
    for draw in (draw_delta, draw_effective_context):
        with pytest.raises(ValueError, match='a VideoMamba backbone'):
            draw(torch.nn.Linear(1, 1), clips[0])


def test_sentences_name_no_path(tmp_path, capsys):
    path = tmp_path / 'secret' / 'clip.mp4'
    path.parent.mkdir()
    path.write_bytes(np.random.default_rng(0).bytes(999))
    with pytest.raises(ValueError) as raised:
        next(recognize_upload(None, str(path)))
    assert explain(raised.value, str(path)) == (
        'This video cannot be used: Invalid data found when processing input.'
    )
    other = ValueError(f'the pipeline reads frames, got the file {path}')
    assert explain(other, str(path)) == (
        'The pipeline reads frames, got the file this video.'
    )
    unreachable = ConnectionError('could not download http://host/a.pth.')
    assert explain(unreachable) == 'Could not download http://host/a.pth.'
    full = OSError(f'cannot write {path}: no space')
    assert 'secret' not in explain(full)
    assert capsys.readouterr().err == f'error: {full}\n'


def test_bars_are_as_long_as_the_probabilities():
    first, second = show_scores({'<b>': 0.75, 'run': 0.0612}).splitlines()
    assert '--share: 75.00%' in first and '<span>&lt;b&gt;</span>' in first
    assert '--share: 6.12%' in second and '<span>6.12%</span>' in second
