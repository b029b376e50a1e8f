"""ClipDecode: what DecordDecode and Resize give, in one array."""

import numpy as np
import pytest
from mmengine.dataset import Compose
from video_files import TURNS, set_display_matrix, write_frames

from mmvideomamba.datasets import ClipDecode


def run(path, *steps):
    sampling = dict(type='SampleFrames', clip_len=5, num_clips=2)
    pipeline = Compose(
        [dict(type='DecordInit'), dict(sampling, test_mode=True), *steps]
    )
    return pipeline(
        dict(filename=path, label=0, start_index=0, modality='RGB')
    )


@pytest.mark.parametrize('codec', ['libx264', 'mpeg4'])
@pytest.mark.parametrize('scale', [(-1, 32), (-1, 64), (200, 50), (70, 300)])
def test_same_as_decode_and_resize(tmp_path, codec, scale):
    path = write_frames(tmp_path / 'a.mp4', codec=codec)
    set_display_matrix(path, TURNS['left'])
    ours = run(path, dict(type='ClipDecode', scale=scale))
    other = run(
        path, dict(type='DecordDecode'), dict(type='Resize', scale=scale)
    )
    assert np.array_equal(ours['imgs'], np.stack(other['imgs']))
    for key in ('img_shape', 'original_shape', 'video_reader'):
        assert ours[key] == other[key]
    assert np.array_equal(ours['frame_inds'], other['frame_inds'])
    clip = ours['imgs']
    assert clip.flags.c_contiguous and clip.dtype == np.uint8
    assert clip.shape == (10, *ours['img_shape'], 3)


def test_without_a_scale_frames_keep_their_size(tmp_path):
    path = write_frames(tmp_path / 'a.mp4')
    clip = run(path, dict(type='ClipDecode'))['imgs']
    assert clip.shape == (10, 64, 96, 3)
    assert np.array_equal(clip, run(path, dict(type='DecordDecode'))['imgs'])


@pytest.mark.parametrize(
    'scale', [256, (256,), (-1, -1), (0, 256), (-2, 256), (1, 2, 3)]
)
def test_bad_scales_are_explained(scale):
    with pytest.raises(ValueError, match=r'such as \(-1, 256\), got'):
        ClipDecode(scale)
