"""Maps over frames: right place, right time, right scale."""

import numpy as np

from mmvideomamba.visualization.figure4_token_maps import (
    draw_token_maps,
    make_overlay_frames,
    overlay_map,
)

FRAMES = np.full((8, 32, 48, 3), 120, np.uint8)


def moving_spot():
    """One bright token, another one at every step."""
    values = np.zeros((4, 2, 3))
    for step, place in enumerate([(0, 0), (0, 2), (1, 0), (1, 2)]):
        values[step][place] = 1.0
    return values


def brightest_corner(picture):
    corners = {
        (y, x): picture[y, x].astype(int).sum()
        for y in (2, -3)
        for x in (2, -3)
    }
    return max(corners, key=corners.get)


def test_the_map_is_bright_where_its_values_are_large():
    picture = overlay_map(FRAMES[0], moving_spot()[1])
    assert picture.shape == FRAMES[0].shape
    assert brightest_corner(picture) == (2, -3)


def test_a_video_shows_each_map_with_its_frames():
    maps = dict(spot=moving_spot())
    frames = list(make_overlay_frames(FRAMES, maps, height=64))
    assert len(frames) == 8
    pictures = [frame[-64:, -96:] for frame in frames]
    corners = [brightest_corner(picture) for picture in pictures]
    expected = [(2, 2), (2, -3), (-3, 2), (-3, -3)]
    assert corners == [c for c in expected for _ in range(2)]


def test_a_sheet_has_a_row_for_each_map_and_a_column_for_each_step():
    maps = {'block 0': moving_spot(), 'block 9': 5 * moving_spot()}
    figure = draw_token_maps(FRAMES, maps, 'delta')
    pictures = [ax for ax in figure.axes if ax.images]
    assert len(pictures) == 3 * 4
    assert [ax.get_title() for ax in pictures[:4]] == [
        f't = {step}' for step in range(4)
    ]
    labels = {ax.get_ylabel() for ax in pictures} - {''}
    assert labels == {'clip', *maps}


def test_long_clips_are_thinned_out():
    maps = dict(spot=np.repeat(moving_spot(), 5, axis=0))
    figure = draw_token_maps(FRAMES.repeat(5, 0), maps, 'delta', columns=8)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == [
        't = 0',
        't = 3',
        't = 6',
        't = 9',
        't = 12',
        't = 15',
        't = 18',
    ]
