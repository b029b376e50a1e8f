"""The overview: what is drawn where."""

import numpy as np
import torch

from mmvideomamba.visualization import draw_overview

GRID = (2, 2, 3)


def test_each_frame_shows_its_tokens_steps_and_map():
    frames = np.zeros((4, 16, 24, 3), np.uint8)
    frames[:2, ..., 0], frames[2:, ..., 0] = 50, 200
    delta = np.zeros(GRID)
    delta[1, 0, 2] = 1
    order = torch.arange(12)
    figure = draw_overview(
        frames,
        {'ScanForward': order, 'ScanReversal': order.flip(0)},
        delta,
        [('reading', 0.75), ('walking', 0.25)],
    )
    *pictures, answer = figure.axes
    rows = [pictures[i : i + 2] for i in range(0, 8, 2)]
    assert [ax.images[0].get_array()[0, 0, 0] for ax in rows[0]] == [50, 200]
    labels = [row[0].get_ylabel() for row in rows]
    assert labels == ['tokens', 'Scan\nForward', 'Scan\nReversal', r'$\Delta$']

    # The second frame's steps, from its first token and from its last.
    for row, first in ((rows[1], (0, 0)), (rows[2], (2, 1))):
        (dots,) = row[1].collections[-1:]
        assert tuple(dots.get_offsets()[0]) == first
        assert len(row[1].texts) == 5  # arrows between six tokens

    maps = [ax.images[0].get_array().sum(-1) for ax in rows[3]]
    assert maps[1].max() > maps[0].max()
    y, x = np.unravel_index(maps[1].argmax(), maps[1].shape)
    assert (y // 8, x // 8) == (0, 2)

    widths = [bar.get_width() for bar in answer.patches]
    assert widths == [0.75, 0.25]
    assert answer.texts[0].get_text() == 'reading  75.0%'
