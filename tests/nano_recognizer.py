"""Clips of MotionShapes and the weights of an untrained nano model."""

from pathlib import Path

import torch
from mmengine.config import Config

from mmvideomamba.datasets.motion_shapes import write_motion_shapes
from mmvideomamba.registry import MODELS

CONFIG = (
    Path(__file__).resolve().parents[1] / 'configs/recognition/videomamba/'
    'videomamba-nano-p16_1xb32-8x4x1-30e_motionshapes-rgb.py'
)


def write_clips_and_weights(folder, num_clips, num_test=0):
    """Write `videos/` with clips of 12 frames, and `model.pth` of `CONFIG`."""
    write_motion_shapes(
        str(folder), num_clips, num_test, num_frames=12, size=64
    )
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(CONFIG).model)
    torch.save(dict(state_dict=model.state_dict()), folder / 'model.pth')
