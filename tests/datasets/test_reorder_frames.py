"""ReorderFrames against the sequences printed in section 5.2."""

import numpy as np
import pytest

from mmvideomamba.datasets import ReorderFrames
from mmvideomamba.datasets.transforms.reorder_frames import frame_order
from mmvideomamba.registry import TRANSFORMS

PAPER = {
    'sequential': [1, 2, 3, 4, 5, 6, 7, 8],
    'block-wise': [5, 6, 7, 8, 1, 2, 3, 4],
    'pairwise': [1, 2, 7, 8, 5, 6, 3, 4],
    'interleaved': [1, 8, 2, 7, 3, 6, 4, 5],
}


@pytest.mark.parametrize('name', PAPER)
def test_the_papers_table(name):
    assert [f + 1 for f in frame_order(name, 8)] == PAPER[name]


@pytest.mark.parametrize('name', PAPER)
@pytest.mark.parametrize('clip_len', [2, 6, 16, 32])
def test_every_even_length_is_a_permutation(name, clip_len):
    assert sorted(frame_order(name, clip_len)) == list(range(clip_len))


def test_each_clip_of_several_is_reordered_by_itself():
    transform = TRANSFORMS.build(dict(type='ReorderFrames', order='pairwise'))
    results = dict(
        frame_inds=np.r_[0:16:2, 1:17:2],
        clip_len=8,
        num_clips=2,
    )
    frames = transform(results)['frame_inds']
    assert frames.tolist() == [
        *(0, 2, 12, 14, 8, 10, 4, 6),
        *(1, 3, 13, 15, 9, 11, 5, 7),
    ]


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match="'shuffled', expected one of"):
        ReorderFrames('shuffled')
    with pytest.raises(ValueError, match='even number of frames, got 7'):
        frame_order('pairwise', 7)
    with pytest.raises(ValueError, match='before the frames are decoded'):
        ReorderFrames()(dict(imgs=[], frame_inds=[], clip_len=8))
