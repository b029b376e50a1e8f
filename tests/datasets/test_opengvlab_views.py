"""OpenGVLab's test views against indices worked out by hand."""

import numpy as np
import pytest

from mmvideomamba.datasets import LongSideThreeCrop
from mmvideomamba.registry import TRANSFORMS


def frames(num_frames, clip_len, num_clips=1):
    transform = TRANSFORMS.build(
        dict(
            type='UniformSample',
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


@pytest.mark.parametrize('clip_len', [8, 16, 32, 64])
@pytest.mark.parametrize('num_clips', [1, 2, 4])
def test_frames_by_the_published_rule(clip_len, num_clips):
    """Segments begin at multiples of s, halves to even; clips share them."""
    for video in range(1, 400):
        s = (video - 1) / clip_len
        shifts = [
            int(s / (num_clips + 1) * c) for c in range(1, 1 + num_clips)
        ]
        expected = [round(s * i) + c for c in shifts for i in range(clip_len)]
        assert frames(video, clip_len, num_clips) == expected
        assert max(expected) < video


def segment_frames(num_frames, **kwargs):
    transform = TRANSFORMS.build(dict(type='SegmentSample', **kwargs))
    return transform(dict(total_frames=num_frames, start_index=0))


@pytest.mark.parametrize(
    'video, clip_len, by_hand',
    [
        # s = 7.5, half of it 3.75.
        (60, 8, [0, 7, 15, 22, 30, 37, 45, 52, 3, 11, 18, 26, 33, 41, 48, 56]),
        # s = 5.125, half of it 2.5625.
        (
            41,
            8,
            [0, 5, 10, 15, 20, 25, 30, 35, 2, 7, 12, 17, 23, 28, 33, 38],
        ),
        # s = 2.75: beginnings 0, 2.75, 5.5, 8.25; middles 1.375, 4.125, ...
        (11, 4, [0, 2, 5, 8, 1, 4, 6, 9]),
        (8, 8, [*range(8), *range(8)]),
        # Fewer frames than a clip has, s = 0.75 and 0.25: frames repeat.
        (3, 4, [0, 0, 1, 2, 0, 1, 1, 2]),
        (1, 4, [0] * 8),
    ],
)
def test_segment_frames_by_hand(video, clip_len, by_hand):
    results = segment_frames(video, clip_len=clip_len, num_clips=2)
    assert results['frame_inds'].tolist() == by_hand
    assert (results['clip_len'], results['num_clips']) == (clip_len, 2)


@pytest.mark.parametrize('clip_len', [5, 8, 16, 32])
def test_segment_frames_by_the_published_rule(clip_len):
    """As SSVideoClsDataset does: all frames sorted, then every second."""
    for video in range(1, 400):
        tick = video / float(clip_len)
        both = sorted(
            [int(tick / 2.0 + tick * x) for x in range(clip_len)]
            + [int(tick * x) for x in range(clip_len)]
        )
        results = segment_frames(video, clip_len=clip_len, num_clips=2)
        assert results['frame_inds'].tolist() == both[0::2] + both[1::2]
        assert max(both) < video


def test_segment_frames_count_from_the_start_index():
    transform = TRANSFORMS.build(dict(type='SegmentSample', clip_len=4))
    results = transform(dict(total_frames=8, start_index=1))
    assert results['frame_inds'].tolist() == [1, 3, 5, 7]
    assert repr(transform) == 'SegmentSample(clip_len=4, num_clips=1)'


@pytest.mark.parametrize('counts', [(0, 1), (4, 0)])
def test_segment_frames_are_at_least_one(counts):
    settings = dict(zip(('clip_len', 'num_clips'), counts))
    message = f'at least 1, got {counts[0]} and {counts[1]}'
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build(dict(type='SegmentSample', **settings))


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
