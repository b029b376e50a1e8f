"""MotionShapes: only the order of frames tells the classes apart."""

import decord
import numpy as np
import pytest

from mmvideomamba.datasets.motion_shapes import (
    CLASSES,
    PAIRS,
    make_clip,
    write_motion_shapes,
)


def clip(label, seed=0, **kwargs):
    return make_clip(label, np.random.default_rng(seed), 8, 48, **kwargs)


@pytest.mark.parametrize('label', range(0, len(CLASSES), 2))
def test_a_clip_played_backwards_is_its_partner(label):
    forward, backward = clip(label), clip(label + 1)
    assert np.array_equal(forward[::-1], backward)
    assert not np.array_equal(forward, backward)


@pytest.mark.parametrize('pair', [(0, 2), (1, 4), (5, 7), (2, 3)])
def test_two_shapes_played_backwards_are_their_partners(pair):
    partners = tuple(label ^ 1 for label in pair)
    assert np.array_equal(clip(pair)[::-1], clip(partners))
    # Each has a shape of its own, so that their order matters.
    assert not np.array_equal(clip(pair), clip(pair[::-1]))


def test_the_first_of_two_shapes_is_there_whatever_the_second():
    grows, moves = CLASSES.index('grow'), CLASSES.index('move_left')
    for seed in range(20):
        alone = shape_pixels(clip(grows, seed)).sum((1, 2))
        both = shape_pixels(clip((grows, moves), seed)).sum((1, 2))
        # Seen whole or nearly, beside the second.
        assert (both > alone * 1.2).all()


def shape_pixels(frames):
    """(T, H, W) bool: every shape is brighter than every background."""
    return frames.min(-1) > 125


def steps(frames, axis):
    """Motion of the shape along x (0) or y (1), pixels, frame by frame.

    The shape is averaged on a circle, since it may leave on one side and
    come in on the other.
    """
    places = np.exp(2j * np.pi * np.arange(48) / 48)
    centres = (shape_pixels(frames).sum(1 + axis) * places).sum(1)
    return np.angle(centres[1:] / centres[:-1]) * 48 / (2 * np.pi)


@pytest.mark.parametrize(
    'name, axis, sign',
    [
        ('move_left', 0, -1),
        ('move_right', 0, 1),
        ('move_up', 1, -1),
        ('move_down', 1, 1),
    ],
)
def test_motions_are_what_their_names_say(name, axis, sign):
    label = CLASSES.index(name)
    for seed in range(20):
        assert steps(clip(label, seed), axis).mean() * sign > 1


@pytest.mark.parametrize(
    'name, sign', [('orbit_clockwise', 1), ('orbit_counterclockwise', -1)]
)
def test_orbits_turn_as_their_names_say(name, sign):
    for seed in range(20):
        frames = clip(CLASSES.index(name), seed)
        x, y = steps(frames, 0), steps(frames, 1)
        # With y downwards, from right to down is clockwise.
        turns = x[:-1] * y[1:] - y[:-1] * x[1:]
        assert (turns * sign > 0).all()


@pytest.mark.parametrize('name, sign', [('grow', 1), ('shrink', -1)])
def test_sizes_change_as_their_names_say(name, sign):
    for seed in range(20):
        frames = clip(CLASSES.index(name), seed)
        areas = shape_pixels(frames).sum((1, 2))
        assert (np.diff(areas) * sign > 0).all()


def test_written_in_hmdb51_layout_as_real_videos(tmp_path):
    write_motion_shapes(str(tmp_path), 16, 8, num_frames=8, size=64, seed=3)
    lines = (tmp_path / 'train_list.txt').read_text().splitlines()
    assert lines[1] == 'move_right/train_00001.mp4 1'
    assert [int(line.split()[1]) for line in lines] == [*range(8)] * 2
    assert len((tmp_path / 'test_list.txt').read_text().splitlines()) == 8

    video = decord.VideoReader(str(tmp_path / 'videos' / lines[1].split()[0]))
    written = video.get_batch(range(8)).asnumpy().astype(float)
    expected = make_clip(1, np.random.default_rng((3, 0, 1)), 8, 64)
    # H.264 halves the resolution of colour, so only the means are close.
    assert np.abs(written - expected).mean() < 8


def test_videos_of_two_labels(tmp_path):
    options = dict(num_frames=8, size=64, seed=3, multi_label=True)
    write_motion_shapes(str(tmp_path), 30, 2, **options)
    lines = (tmp_path / 'train_list.txt').read_text().splitlines()
    assert lines[1] == 'move_left+move_up/train_00001.mp4 0 2'
    labels = [tuple(map(int, line.split()[1:])) for line in lines]
    assert labels == [*PAIRS, *PAIRS[:2]] and len(PAIRS) == 28
    video = decord.VideoReader(str(tmp_path / 'videos' / lines[1].split()[0]))
    written = video.get_batch(range(8)).asnumpy().astype(float)
    expected = make_clip((0, 2), np.random.default_rng((3, 0, 1)), 8, 64)
    assert np.abs(written - expected).mean() < 8


def test_an_interrupted_call_continues_and_gives_the_same(tmp_path):
    write_motion_shapes(str(tmp_path), 8, 0, num_frames=4, size=64)
    videos = sorted(tmp_path.glob('videos/*/*.mp4'))
    before = [video.read_bytes() for video in videos]
    kept = videos[0].stat().st_mtime_ns
    videos[1].unlink()
    write_motion_shapes(str(tmp_path), 8, 0, num_frames=4, size=64)
    assert [video.read_bytes() for video in videos] == before
    assert videos[0].stat().st_mtime_ns == kept


def test_impossible_sizes_are_refused(tmp_path):
    with pytest.raises(ValueError, match='size=65, num_frames=32'):
        write_motion_shapes(str(tmp_path), 8, 8, size=65)
