"""Frames spread as VideoMAE and OpenGVLab test Something-Something V2."""

import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS


@TRANSFORMS.register_module()
class SegmentSample(BaseTransform):
    """Cut a video into `clip_len` segments and take a frame of each.

    Of V frames a segment has s = V / clip_len, not rounded. Frame i of clip c
    of `num_clips` is floor(s c / num_clips + s i): the first clip takes the
    beginnings of the segments, the second of two their middles. A video with
    fewer frames than `clip_len` repeats some.

    VideoMAE and OpenGVLab's VideoMamba test Something-Something V2 on these
    frames (`SSVideoClsDataset` in their code); mmaction2's `UniformSample`
    has segments of (V - 1) / clip_len and begins clip c further in:
    https://github.com/OpenGVLab/VideoMamba/blob/main/videomamba/video_sm/datasets/ssv2.py

    Required keys: total_frames, start_index. Added keys: frame_inds, clip_len,
    frame_interval, num_clips.

    Args:
        clip_len (int): Frames of a clip.
        num_clips (int): Clips of a video, one after the other.

    Raises:
        ValueError: One of them is less than 1.
    """

    def __init__(self, clip_len: int, num_clips: int = 1) -> None:
        if clip_len < 1 or num_clips < 1:
            raise ValueError(
                'clip_len and num_clips must be at least 1, got '
                f'{clip_len} and {num_clips}'
            )
        self.clip_len = clip_len
        self.num_clips = num_clips

    def transform(self, results: dict) -> dict:
        """Choose the frames."""
        # Their arithmetic: floats, in this order.
        segment = results['total_frames'] / float(self.clip_len)
        frames = [
            int(clip * segment / self.num_clips + segment * i)
            for clip in range(self.num_clips)
            for i in range(self.clip_len)
        ]
        results['frame_inds'] = np.array(frames) + results['start_index']
        results['clip_len'] = self.clip_len
        results['frame_interval'] = None
        results['num_clips'] = self.num_clips
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(clip_len={self.clip_len}, '
            f'num_clips={self.num_clips})'
        )
