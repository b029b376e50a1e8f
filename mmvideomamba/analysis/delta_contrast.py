"""Delta on the moving shape of MotionShapes against delta behind it."""

from typing import Dict, List, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor

from ..apis import read_clip
from ..datasets.motion_shapes import BACKGROUND_RANGE, SURFACE_RANGE
from ..progress import track
from .delta import record_delta, region_ratio

Table = List[List[float]]


def measure_contrast(model: BaseModel, videos: Sequence[str]) -> Tensor:
    """Delta on the shape / delta behind it, of every video.

    Args:
        model (BaseModel): A recognizer with a VideoMamba.
        videos (Sequence[str]): Files of MotionShapes.

    Returns:
        Tensor: (videos, 2, blocks, directions) float32, of the clip and of
        the clip at rest, its middle frame throughout; NaN where no token is
        the shape's.
    """
    ratios = []
    for video in track(videos, len(videos)):
        clip = read_clip(model, video)
        middle = [len(clip.frames) // 2] * len(clip.frames)
        inputs = torch.cat([clip.inputs, clip.inputs[:, :, middle]])
        with torch.no_grad(), record_delta(model) as delta:
            model.backbone(inputs)
        grid = delta[0].shape[2:]
        pictures = clip.frames, clip.frames[middle]
        share = torch.stack([shape_share(p, grid) for p in pictures])
        share = share.to(inputs.device)
        # Tokens on the edge of the shape belong to neither.
        regions = share > 0.5, share == 0
        blocks = [region_ratio(d, *regions) for d in delta.values()]
        ratios.append(torch.stack(blocks).permute(2, 0, 1).cpu())
    return torch.stack(ratios)


def shape_share(frames: np.ndarray, grid: Sequence[int]) -> Tensor:
    """The part of each token's pixels that the shape covers.

    Args:
        frames (np.ndarray): (T, H, W, 3) uint8 RGB.
        grid (Sequence[int]): Tokens along time, height and width.

    Returns:
        Tensor: `grid` float32, 0 to 1.
    """
    level = (BACKGROUND_RANGE[1] + SURFACE_RANGE[0]) / 2
    is_shape = torch.from_numpy(frames).float().mean(dim=-1) > level
    t, h, w = grid
    return F.adaptive_avg_pool3d(is_shape[None].float(), (t, h, w))[0]


def summarize_contrast(ratios: Tensor) -> Dict[str, Dict[str, Table]]:
    """Mean over the videos and its standard error.

    The error of the difference is that of pairs, and smaller than those of
    its parts.

    Args:
        ratios (Tensor): See `measure_contrast`.

    Returns:
        dict: 'moving', 'at rest' and 'difference' -> 'mean' and 'error',
        lists of blocks of directions.
    """
    moving, rest = ratios.unbind(1)
    quantities = {
        'moving': moving,
        'at rest': rest,
        'difference': moving - rest,
    }
    summary = {}
    for name, values in quantities.items():
        mean = values.nanmean(dim=0)
        count = (~values.isnan()).sum(dim=0)
        # With one video the error is not known: 0 / 0, NaN.
        variance = (values - mean).square().nansum(dim=0) / (count - 1)
        error = (variance / count).sqrt()
        summary[name] = dict(mean=mean.tolist(), error=error.tolist())
    return summary
