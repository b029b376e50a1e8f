"""Operations on clips: the values of Pillow, alone and one after another."""

from functools import reduce
from itertools import product

import cv2
import numpy as np
import pytest
from PIL import Image

from mmvideomamba.benchmark.pillow_operations import PILLOW
from mmvideomamba.datasets.transforms.clip_operations import (
    OPERATIONS,
    compose,
)
from mmvideomamba.datasets.transforms.clip_warps import FILL

HEIGHT, WIDTH = 48, 64


def noise(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def photo(seed=0):
    """Smooth, of few levels and different in the channels, as photos are."""
    image = cv2.GaussianBlur(noise(seed), (0, 0), 3).astype(float)
    return np.clip(3 * (image - 128) + (90, 130, 150), 30, 240).astype(
        np.uint8
    )


def strengths(name):
    """Some of an operation's, to its ends."""
    full = OPERATIONS[name].strength
    if OPERATIONS[name].signed:
        return [part * full for part in (-1, -0.7, -0.37, 0, 0.61, 1)]
    return [0.0, 0.5 * full, 0.7 * full, full]


def ours(operations, frame):
    pairs = [(OPERATIONS[name], strength) for name, strength in operations]
    # Two frames, the other one first: none may see its neighbours.
    clip = np.stack([frame[::-1], frame])
    for change in compose(pairs, frame.shape[1], frame.shape[0]):
        change(clip)
    return clip[1]


def pillows(operations, frame):
    image = Image.fromarray(frame)
    for name, strength in operations:
        image = PILLOW[name](image, strength)
    return np.array(image)


def difference(operations, frame):
    image = ours(operations, frame)
    assert image.shape == frame.shape and image.dtype == np.uint8
    return np.abs(image.astype(int) - pillows(operations, frame))


@pytest.mark.parametrize('frame', [noise(), photo()], ids=['noise', 'photo'])
@pytest.mark.parametrize('name', PILLOW)
def test_single_operations_are_within_a_grey_level(name, frame):
    before = frame.copy()
    for strength in strengths(name):
        assert difference([(name, strength)], frame).max() <= 1, strength
    assert np.array_equal(frame, before)


def test_all_operations_are_compared():
    assert list(PILLOW) == list(OPERATIONS)


def test_pairs_are_within_two_grey_levels_on_average():
    frame = photo()
    for first, second in product(PILLOW, PILLOW):
        for part in (-2, 2):
            pair = [(n, strengths(n)[part]) for n in (first, second)]
            assert difference(pair, frame).mean() <= 2, pair


WARPS = [name for name, entry in OPERATIONS.items() if entry.kind == 'warp']


def test_warps_that_follow_each_other_are_one():
    operations = [(OPERATIONS[name], 0.2) for name in WARPS]
    assert len(compose(operations, WIDTH, HEIGHT)) == 1
    # What left the frame on the way does not come back.
    there_and_back = [('TranslateX', 0.25), ('TranslateX', -0.25)]
    image, frame = ours(there_and_back, noise()), noise()
    assert (image[:, : WIDTH // 4] == FILL).all()
    assert np.array_equal(image[:, WIDTH // 4 :], frame[:, WIDTH // 4 :])


@pytest.mark.parametrize('x', [-0.5, 0.25])
@pytest.mark.parametrize('y', [-0.25, 0.5])
def test_whole_pixels_are_moved_as_they_are(x, y):
    frame = noise()
    moved = ours([('TranslateX', x), ('TranslateY', y)], frame)
    right, down = round(x * WIDTH), round(y * HEIGHT)
    expected = np.full_like(frame, FILL)
    for row, column in np.ndindex(HEIGHT, WIDTH):
        from_row, from_column = row + down, column + right
        if 0 <= from_row < HEIGHT and 0 <= from_column < WIDTH:
            expected[row, column] = frame[from_row, from_column]
    assert np.array_equal(moved, expected)


def test_tables_that_follow_each_other_are_one_and_lose_nothing():
    names = ('Solarize', 'Brightness', 'Posterize', 'Invert', 'SolarizeAdd')
    operations = [(name, 0.6 * OPERATIONS[name].strength) for name in names]
    pairs = [(OPERATIONS[name], s) for name, s in operations]
    assert len(compose(pairs, WIDTH, HEIGHT)) == 1
    image = ours(operations, noise())
    one_by_one = reduce(lambda i, o: ours([o], i), operations, noise())
    assert np.array_equal(image, one_by_one)


@pytest.mark.parametrize('name', ['AutoContrast', 'Equalize', 'Contrast'])
@pytest.mark.parametrize('level', [0, 7, 255])
def test_frames_of_one_colour(name, level):
    frame = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
    frame[..., 1] = 99
    assert difference([(name, 0.5)], frame).max() <= 1


def test_tables_of_frames_depend_on_the_frame():
    dark, bright = photo() // 2, photo() // 2 + 120
    for frame in (dark, bright):
        image = ours([('AutoContrast', 0)], frame)
        assert image.min() == 0 and image.max() == 255
