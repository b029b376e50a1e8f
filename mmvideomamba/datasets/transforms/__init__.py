"""Pipeline transforms, registered in mmaction2's `TRANSFORMS`."""

from .long_side_crops import LongSideThreeCrop
from .reorder_frames import ReorderFrames, frame_order
from .segment_sample import SegmentSample
from .video_rand_augment import VideoRandAugment

__all__ = [
    'LongSideThreeCrop',
    'ReorderFrames',
    'SegmentSample',
    'VideoRandAugment',
    'frame_order',
]
