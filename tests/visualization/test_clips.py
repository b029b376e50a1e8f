"""Strips of frames."""

import numpy as np

from mmvideomamba.visualization import draw_clips


def test_every_clip_is_a_row_of_evenly_taken_frames():
    frames = np.arange(9, dtype=np.uint8)[:, None, None, None]
    clip = np.broadcast_to(frames, (9, 4, 4, 3))
    figure = draw_clips({'up_down': clip, 'round': clip}, num_frames=5)
    axes = np.reshape(figure.axes, (2, 5))
    shown = [axis.images[0].get_array()[0, 0, 0] for axis in axes[0]]
    assert shown == [0, 2, 4, 6, 8]
    assert [row[0].get_ylabel() for row in axes] == ['up\ndown', 'round']
