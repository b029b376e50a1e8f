"""Frames spread over the whole video, as OpenGVLab tests its checkpoints."""

import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS


@TRANSFORMS.register_module()
class SparseSampleFrames(BaseTransform):
    """Cut the video into `clip_len` segments and take a frame from each.

    With V frames and s = max(0, (V - 1) / clip_len), segment i begins at
    round(s i), halves to even. In training its frame is drawn from round(s i)
    to round(s (i + 1)); in tests clip c of m takes

        min(round(s i) + floor(s / (m + 1) (c + 1)), V - 1).

    Short videos repeat frames. mmaction2 1.2.0's `UniformSample` takes the
    same frames; this is the published protocol in one place, under test.

    Required keys: total_frames, start_index. Added keys: frame_inds,
    clip_len, frame_interval, num_clips.

    Args:
        clip_len (int): Frames of a clip.
        num_clips (int): Clips of a video; in training they are drawn alike.
        test_mode (bool): Sample for a test.
    """

    def __init__(
        self, clip_len: int, num_clips: int = 1, test_mode: bool = False
    ) -> None:
        if clip_len < 1 or num_clips < 1:
            raise ValueError(
                'clip_len and num_clips must be positive, got '
                f'{clip_len} and {num_clips}'
            )
        self.clip_len = clip_len
        self.num_clips = num_clips
        self.test_mode = test_mode

    def frames(self, num_frames: int) -> np.ndarray:
        """Frame numbers from 0, (num_clips, clip_len) int64."""
        if num_frames < 1:
            raise ValueError('the video has no frames')
        segment = (num_frames - 1) / self.clip_len
        bounds = np.round(segment * np.arange(self.clip_len + 1)).astype(int)
        if not self.test_mode:
            shape = (self.num_clips, self.clip_len)
            return np.random.randint(bounds[:-1], bounds[1:] + 1, shape)
        clip = np.arange(1, self.num_clips + 1)
        shift = (segment / (self.num_clips + 1) * clip).astype(int)
        return np.minimum(bounds[:-1] + shift[:, None], num_frames - 1)

    def transform(self, results: dict) -> dict:
        """Choose `frame_inds`."""
        frames = self.frames(results['total_frames'])
        results['frame_inds'] = frames.reshape(-1) + results['start_index']
        results['clip_len'] = self.clip_len
        results['frame_interval'] = None
        results['num_clips'] = self.num_clips
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(clip_len={self.clip_len}, '
            f'num_clips={self.num_clips}, test_mode={self.test_mode})'
        )
