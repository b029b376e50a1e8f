"""Data sets, their list files and the transforms of their pipelines."""

from .checked_video_dataset import (
    CheckedRepeatAugDataset,
    CheckedVideoDataset,
)
from .transforms.clip_decode import ClipDecode
from .transforms.long_side_crops import LongSideThreeCrop
from .transforms.reorder_frames import ReorderFrames
from .transforms.segment_sample import SegmentSample
from .transforms.video_rand_augment import VideoRandAugment

__all__ = [
    'CheckedRepeatAugDataset',
    'CheckedVideoDataset',
    'ClipDecode',
    'LongSideThreeCrop',
    'ReorderFrames',
    'SegmentSample',
    'VideoRandAugment',
]
