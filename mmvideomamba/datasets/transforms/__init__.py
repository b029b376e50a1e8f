"""Pipeline transforms, registered in mmaction2's `TRANSFORMS`."""

from .reorder_frames import ReorderFrames, frame_order
from .video_rand_augment import VideoRandAugment

__all__ = ['ReorderFrames', 'VideoRandAugment', 'frame_order']
