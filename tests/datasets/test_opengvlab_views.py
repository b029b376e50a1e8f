"""OpenGVLab's test views against indices worked out by hand."""

import numpy as np
import pytest
from mmaction.datasets.transforms import UniformSample

from mmvideomamba.datasets import LongSideThreeCrop, SparseSampleFrames
from mmvideomamba.registry import TRANSFORMS


def frames(num_frames, clip_len, num_clips=1):
    transform = TRANSFORMS.build(
        dict(
            type='SparseSampleFrames',
            clip_len=clip_len,
            num_clips=num_clips,
            test_mode=True,
        )
    )
    results = dict(total_frames=num_frames, start_index=0)
    return transform.transform(results)['frame_inds'].tolist()


@pytest.mark.parametrize(
    'video, clip_len, num_clips, by_hand',
    [
        # s = 2.5; begins 0, 2 (2.5 is halved to even), 5, 8 (of 7.5);
        # shift floor(1.25) = 1.
        (11, 4, 1, [1, 3, 6, 9]),
        # s = 10, shifts floor(10/3), floor(20/3).
        (41, 4, 2, [3, 13, 23, 33, 6, 16, 26, 36]),
        # s = 9.875: begins 0, 10, 20, 30, 40, 49, 59, 69; shifts
        # floor(1.975 c) = 1, 3, 5, 7.
        (
            80,
            8,
            4,
            [1, 11, 21, 31, 41, 50, 60, 70]
            + [3, 13, 23, 33, 43, 52, 62, 72]
            + [5, 15, 25, 35, 45, 54, 64, 74]
            + [7, 17, 27, 37, 47, 56, 66, 76],
        ),
        # s = 0.5: begins round(0, .5, 1, 1.5) = 0, 0, 1, 2.
        (3, 4, 1, [0, 0, 1, 2]),
        (1, 4, 2, [0] * 8),
    ],
)
def test_frames_by_hand(video, clip_len, num_clips, by_hand):
    assert frames(video, clip_len, num_clips) == by_hand


@pytest.mark.parametrize('num_clips', [1, 2, 4])
def test_frames_are_those_of_uniform_sample(num_clips):
    sample = UniformSample(16, num_clips, test_mode=True)
    for video in range(1, 130):
        expected = sample._get_sample_clips(video).tolist()
        assert frames(video, 16, num_clips) == expected
        assert max(expected) < video


def test_training_draws_from_every_segment():
    np.random.seed(0)
    sample = SparseSampleFrames(4)
    drawn = np.concatenate([sample.frames(11) for _ in range(200)])
    for column, (low, high) in zip(drawn.T, [(0, 2), (2, 5), (5, 8), (8, 10)]):
        assert set(column) == set(range(low, high + 1))
    # Frames are numbered as the decoder numbers them.
    results = sample.transform(dict(total_frames=1, start_index=1))
    assert results['frame_inds'].tolist() == [1] * 4


@pytest.mark.parametrize('shape', [(30, 53), (53, 30)])
def test_crops_by_hand(shape):
    # 20 x 35 (35.3) after resizing: crops at 0, floor(7.5), 15.
    image = np.random.default_rng(0).integers(
        0, 256, (*shape, 3), dtype=np.uint8
    )
    results = LongSideThreeCrop(20).transform(dict(imgs=[image, image]))
    assert len(results['imgs']) == 6
    assert {crop.shape for crop in results['imgs']} == {(20, 20, 3)}
    left, _, middle, _, right, _ = (
        crop if shape[0] < shape[1] else crop.transpose(1, 0, 2)
        for crop in results['imgs']
    )
    assert np.array_equal(left[:, 7:], middle[:, :-7])
    assert np.array_equal(left[:, 15:], right[:, :-15])


def test_bad_arguments():
    with pytest.raises(ValueError, match='must be positive, got 0 and 1'):
        SparseSampleFrames(0)
    with pytest.raises(ValueError, match='no frames'):
        frames(0, 8)
