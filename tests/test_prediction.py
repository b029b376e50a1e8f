"""Many videos and long ones, with a model whose answers are known."""

import csv
import io
import json
import resource

import numpy as np
import pytest
import torch
from mmengine.config import Config
from small_models import small_recognizer
from video_files import write_frames

from mmvideomamba.apis import init_model, recognize
from mmvideomamba.prediction import (
    Segment,
    annotate_segments,
    find_inputs,
    recognize_segments,
    to_csv,
    to_json,
)
from mmvideomamba.video import write_video
from mmvideomamba.visualization import draw_time_line
from mmvideomamba.visualization.predictions import ClassScore

PIPELINE = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=4, num_clips=1, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]


@pytest.fixture
def model():
    """Calls a clip 'bright' if its mean is above 127, 'dark' otherwise."""
    config = Config(
        dict(
            model=small_recognizer(num_classes=2),
            test_dataloader=dict(
                dataset=dict(
                    metainfo=dict(classes=('dark', 'bright')),
                    pipeline=PIPELINE,
                )
            ),
        )
    )
    model = init_model(config)

    def brightness(inputs, stage='backbone', **kwargs):
        mean = inputs.flatten(2).mean((1, 2)) / 255 - 0.5
        return torch.stack([-mean, mean], 1) * 20, {}

    model.extract_feat = brightness
    model.cls_head.forward = lambda x, **kwargs: x
    return model


@pytest.fixture
def video(tmp_path):
    """Ten frames a second: two seconds dark, three bright, one dark."""
    levels = [20] * 20 + [230] * 30 + [20] * 10
    frames = [np.full((64, 64, 3), level, np.uint8) for level in levels]
    write_video(str(tmp_path / 'long.mp4'), frames, fps=10)
    return str(tmp_path / 'long.mp4')


def spans(segments):
    return [
        (round(s.start, 2), round(s.end, 2), s.scores[0].name)
        for s in segments
    ]


def test_parts_are_recognised_one_after_another(model, video):
    assert spans(recognize_segments(model, video, 1.0)) == [
        (0, 1, 'dark'),
        (1, 2, 'dark'),
        (2, 3, 'bright'),
        (3, 4, 'bright'),
        (4, 5, 'bright'),
        (5, 6, 'dark'),
    ]


def test_parts_may_overlap_and_the_last_ends_with_the_video(model, video):
    assert [
        s[:2] for s in spans(recognize_segments(model, video, 2.5, 2))
    ] == [
        (0, 2.5),
        (2, 4.5),
        (3.5, 6),
    ]
    (whole,) = recognize_segments(model, video, 60)
    assert spans([whole])[0][:2] == (0, 6)
    assert whole.scores == recognize(model, video)


def test_without_a_window_the_video_is_one_segment(model, video):
    (whole,) = recognize_segments(model, video)
    assert whole.scores == recognize(model, video)
    assert spans([whole])[0][:2] == (0, 6)


def test_frames_are_taken_by_their_times(model, tmp_path):
    # One dark second of 4 frames, one bright second of 12.
    times = [*range(0, 1000, 250), *range(1000, 2000, 84)]
    path = write_frames(tmp_path / 'varying.mp4', times)
    (first, last) = recognize_segments(model, path, 1.0)
    assert first.start == 0 and last.end == pytest.approx(2, abs=0.1)
    # Each picture is brighter than the one before it.
    assert first.scores[0].name == 'dark'
    assert last.scores[0].name == 'bright'


def test_windows_that_cannot_be_are_refused(model, video):
    for window, stride in ((0, None), (1, 0), (-1, 1)):
        with pytest.raises(ValueError, match='above 0 s'):
            next(recognize_segments(model, video, window, stride))


def test_frames_show_what_is_in_their_part(model, video):
    segments = list(recognize_segments(model, video, 2.0))
    frames = list(annotate_segments(model, video, segments))
    assert len(frames) == 60
    panels = [frame[320:].astype(int) for frame in frames]
    changes = [
        number
        for number in range(1, 60)
        if np.abs(panels[number] - panels[number - 1]).max() > 0
    ]
    assert changes == [20, 40]


def test_memory_does_not_grow_with_the_video(model, tmp_path):
    path = str(tmp_path / 'minutes.mp4')
    frame = np.zeros((720, 1280, 3), np.uint8)
    write_video(path, (frame for _ in range(150)), fps=10)
    recognized = recognize_segments(model, path, 2.0)
    next(recognized)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(list(recognized)) == 7
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # All frames would take 415 MB; ru_maxrss counts KB on Linux.
    assert grown < 150_000


def test_inputs_are_files_folders_patterns_and_lists(tmp_path):
    for name in ('a.mp4', 'sub/b.avi', 'sub/notes.md', 'c.mp4'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / 'list.txt').write_text('sub/b.avi 3\nc.mp4 1\n')
    a, b, c = (str(tmp_path / n) for n in ('a.mp4', 'sub/b.avi', 'c.mp4'))
    assert find_inputs([a, str(tmp_path / 'sub')]) == [a, b]
    assert find_inputs([str(tmp_path / '*.mp4'), c]) == [a, c]
    assert find_inputs([str(tmp_path / 'list.txt')]) == [b, c]
    with pytest.raises(FileNotFoundError, match='nothing.mp4: expected a'):
        find_inputs([a, 'nothing.mp4'])


SEGMENTS = [
    Segment(0.0, 1.5, [ClassScore('run', 0.75), ClassScore('jump', 0.25)]),
    Segment(1.5, 3.0, [ClassScore('jump', 0.5), ClassScore('run', 0.5)]),
]


def test_tables_have_every_segment():
    rows = list(csv.reader(io.StringIO(to_csv({'a, b.mp4': SEGMENTS}))))
    assert rows[1:] == [
        ['a, b.mp4', '0.00', '1.50', 'run', '0.7500'],
        ['a, b.mp4', '1.50', '3.00', 'jump', '0.5000'],
    ]
    (video,) = json.loads(to_json({'a, b.mp4': SEGMENTS}))
    assert video['segments'][0] == dict(
        start=0.0, end=1.5, scores=dict(run=0.75, jump=0.25)
    )


def test_a_time_line_has_a_row_for_each_class():
    best = [(start, end, *scores[0]) for start, end, scores in SEGMENTS]
    (ax,) = draw_time_line(best, probabilities=True).axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ['run', 'jump']
    first, second = ax.patches
    assert (first.get_x(), first.get_width()) == (0, 1.5)
    assert first.get_alpha() == 0.75 and second.get_y() > first.get_y()
