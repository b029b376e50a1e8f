"""MotionShapes: only the order of frames tells the classes apart."""

import decord
import numpy as np
import pytest

from mmvideomamba.datasets.motion_shapes import (
    CLASSES,
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


def mean_step(frames, axis):
    """Mean motion of the shape along x (0) or y (1), pixels per frame.

    What differs from the background is averaged on a circle, since the shape
    may leave on one side and come in on the other.
    """
    changed = np.abs(frames - np.median(frames, axis=0)).sum(-1) > 60
    places = np.exp(2j * np.pi * np.arange(48) / 48)
    centres = (changed.sum(1 + axis) * places).sum(1)
    return np.angle(centres[1:] / centres[:-1]).mean() * 48 / (2 * np.pi)


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
    steps = [mean_step(clip(CLASSES.index(name), s), axis) for s in range(20)]
    assert np.median(steps) * sign > 1


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
