"""VideoRandAugment: its draws, and the same for the whole clip."""

import numpy as np
import pytest

from mmvideomamba.datasets import VideoRandAugment
from mmvideomamba.datasets.transforms.clip_operations import (
    OPERATIONS,
    Operation,
)


def frame(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)


def test_a_clip_of_one_frame_repeated_stays_constant():
    np.random.seed(0)
    changed = 0
    for _ in range(30):
        transform = VideoRandAugment(n=4, magnitude=9, prob=1.0)
        clip = transform(dict(imgs=[frame()] * 5))['imgs']
        assert all(np.array_equal(clip[0], other) for other in clip)
        assert clip[0].dtype == np.uint8 and clip[0].shape == (12, 16, 3)
        changed += not np.array_equal(clip[0], frame())
    assert changed > 25


def test_draws_follow_the_seed():
    def run(seed):
        np.random.seed(seed)
        return VideoRandAugment(prob=1.0)(dict(imgs=[frame()]))['imgs'][0]

    assert np.array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))


@pytest.mark.parametrize(
    'signed, expected', [(True, {-1.5, 1.5}), (False, {1.5})]
)
def test_strength_follows_the_magnitude_under_either_sign(
    signed, expected, monkeypatch
):
    strengths = []

    def append(image, strength):
        strengths.append(strength)

    record = Operation('frame', append, 5.0, signed)
    monkeypatch.setattr(
        'mmvideomamba.datasets.transforms.video_rand_augment.OPERATIONS',
        dict(Record=record),
    )
    np.random.seed(0)
    transform = VideoRandAugment(n=20, magnitude=3, magnitude_std=0, prob=1)
    transform(dict(imgs=[frame()]))
    assert len(strengths) == 20 and set(strengths) == expected


@pytest.mark.parametrize('transform', [dict(n=0), dict(prob=0.0)])
def test_no_operation_is_the_identity(transform):
    clip = VideoRandAugment(**transform)(dict(imgs=[frame(), frame(1)]))
    assert np.array_equal(clip['imgs'][1], frame(1))


DRAWN = [
    ('Sharpness', 0.6741),
    ('Contrast', -0.6312),
    ('Contrast', 0.6144),
    ('Contrast', -0.633),
]


def test_the_draws_of_a_seed_stay_those_that_they_are():
    np.random.seed(3)
    names = {id(entry): name for name, entry in OPERATIONS.items()}
    drawn = [
        (names[id(operation)], round(strength, 4))
        for operation, strength in VideoRandAugment(n=6)._draw()
    ]
    assert drawn == DRAWN


def test_bad_settings_are_explained():
    with pytest.raises(ValueError, match='got n=4, magnitude=11'):
        VideoRandAugment(magnitude=11)
    with pytest.raises(ValueError, match='got 1.5'):
        VideoRandAugment(prob=1.5)
    with pytest.raises(TypeError, match='magnitud_std'):
        VideoRandAugment(magnitud_std=0.5)
