"""Predictions drawn on frames."""

import numpy as np

from mmvideomamba.visualization.predictions import (
    BAR,
    TRUE_BAR,
    annotate_frames,
    top_scores,
)


def test_top_scores_are_named_and_sorted():
    scores = [0.1, 0.5, 0.3, 0.1]
    assert top_scores(scores, ['a', 'b', 'c', 'd'], k=2) == [
        ('b', 0.5),
        ('c', 0.3),
    ]
    assert top_scores(scores, ['a'], k=2) == [
        ('class 1', 0.5),
        ('class 2', 0.3),
    ]
    assert top_scores(scores, None, k=9)[-1] == ('class 3', 0.1)


def bar_lengths(frame, colour):
    """Widest run of `colour` in the rows that have any, in pixels."""
    rows = (frame == colour).all(-1).sum(1)
    return rows[rows > 0]


def test_bars_are_as_long_as_the_scores_and_the_truth_is_green():
    frames = np.zeros((3, 240, 400, 3), np.uint8)
    scores = [('run', 0.75), ('walk', 0.25)]
    drawn = list(annotate_frames(frames, scores, truth='walk'))
    assert len(drawn) == 3 and drawn[0].shape[1] == 400
    assert (drawn[0][:240] == 0).all()
    width = 400 - 2 * 6
    assert abs(bar_lengths(drawn[0], BAR).max() - 0.75 * width) <= 2
    assert abs(bar_lengths(drawn[0], TRUE_BAR).max() - 0.25 * width) <= 2


def test_small_frames_are_enlarged():
    frames = np.full((1, 16, 32, 3), 200, np.uint8)
    (drawn,) = annotate_frames(frames, [('run', 1.0)])
    assert drawn.shape[1] == 320 and (drawn[:160] == 200).all()
