"""Predictions drawn on frames."""

import numpy as np

from mmvideomamba.visualization.predictions import (
    BAR,
    TRUE_BAR,
    annotate_frames,
    score_text,
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


def test_several_truths_are_green_and_none_is_said():
    frames = np.zeros((1, 240, 400, 3), np.uint8)
    scores = [('run', 0.75), ('walk', 0.5), ('jump', 0.25)]
    panels = [
        next(annotate_frames(frames, scores, truth))[240:]
        for truth in (['run', 'jump'], [], None)
    ]
    width = 400 - 2 * 6
    green = [bar_lengths(panel, TRUE_BAR) for panel in panels]
    assert abs(green[0].max() - 0.75 * width) <= 2
    assert abs(bar_lengths(panels[0], BAR).max() - 0.5 * width) <= 2
    assert not green[1].size and not green[2].size
    # A line for each truth, and one that says that there is none.
    rows = [len(panel) for panel in panels]
    assert rows[0] > rows[1] > rows[2]


def test_scores_that_are_no_probabilities_have_no_bars_and_no_per_cent():
    frames = np.zeros((1, 240, 400, 3), np.uint8)
    scores = [('run', 4.25), ('walk', -4.55)]
    (drawn,) = annotate_frames(frames, scores, 'run', probabilities=False)
    for colour in (BAR, TRUE_BAR):
        assert not bar_lengths(drawn, colour).size
    assert score_text(-4.55, probabilities=False).strip() == '-4.55'
    assert score_text(0.125).strip() == '12.50%'


def test_small_frames_are_enlarged():
    frames = np.full((1, 16, 32, 3), 200, np.uint8)
    (drawn,) = annotate_frames(frames, [('run', 1.0)])
    assert drawn.shape[1] == 320 and (drawn[:160] == 200).all()
