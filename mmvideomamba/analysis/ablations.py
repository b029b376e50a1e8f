"""The paper's ablations as changes of one small config.

Each row of a table is a function that changes a config in one thing. They are
made for MotionShapes, where a training takes minutes, and fit any config of a
VideoMamba whose pipelines sample clips of a fixed length.
"""

import copy
import statistics
from functools import partial
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from mmengine.config import Config

from ..models.videomamba import ARCHS

Change = Callable[[Config], None]


class Ablation(NamedTuple):
    """One table of the paper.

    Attributes:
        table (int): Its number, see `paper_tables.TABLES`.
        rows (dict[str, Callable]): Name of a row -> how it changes a config.
    """

    table: int
    rows: Dict[str, Change]


class Summary(NamedTuple):
    """What the runs of one row gave.

    Attributes:
        mean (float): Accuracy in 0..1.
        spread (float, optional): Standard deviation over the seeds; None
            with less than two.
        runs (int): Number of seeds.
    """

    mean: float
    spread: Optional[float]
    runs: int


def changed(config: Config, change: Change) -> Config:
    """A changed copy of a config."""
    config = copy.deepcopy(config)
    change(config)
    return config


def summarize(accuracies: Sequence[float]) -> Summary:
    """Mean and spread over seeds."""
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else None
    return Summary(statistics.mean(accuracies), spread, len(accuracies))


def keep(config: Config) -> None:
    """The row that the config itself is."""


def scan_backwards(reversal: str, config: Config) -> None:
    """Table 2, which the paper made without the class token."""
    config.model.backbone.update(
        scan_orders=(dict(type='SpatioTemporalForward'), dict(type=reversal)),
        cls_token_position=None,
    )


def embed_positions(kind: Optional[str], config: Config) -> None:
    """Table 3, as far as it needs no ImageNet weights."""
    config.model.backbone.pos_embed = kind


def regularize(rand_augment: bool, smoothing: float, config: Config) -> None:
    """Table 4, from random weights."""
    config.model.cls_head.label_smooth_eps = smoothing
    pipeline = _pipelines(config)[0]
    steps = [s for s in pipeline if s['type'] != 'VideoRandAugment']
    if rand_augment:
        kinds = [step['type'] for step in steps]
        decoded = next(i for i, k in enumerate(kinds) if k.endswith('Decode'))
        augment = dict(
            type='VideoRandAugment',
            n=4,
            magnitude=7,
            magnitude_std=0.5,
            prob=0.5,
        )
        steps.insert(decoded + 1, augment)
    config.train_dataloader.dataset.pipeline = steps


def sample_frames(num_frames: int, config: Config) -> None:
    """Table 5: more or fewer frames of the same stretch of time."""
    config.model.backbone.num_frames = num_frames
    for pipeline in _pipelines(config):
        for step in pipeline:
            if 'clip_len' not in step:
                continue
            if 'frame_interval' in step:
                span = step['clip_len'] * step['frame_interval']
                step['frame_interval'] = max(1, span // num_frames)
            step['clip_len'] = num_frames


def scale_width(factor: float, config: Config) -> None:
    """Table 6."""
    backbone = config.model.backbone
    arch = backbone.get('arch', 'small')
    arch = dict(ARCHS[arch] if isinstance(arch, str) else arch)
    arch['embed_dims'] = round(arch['embed_dims'] * factor)
    # The old one may be a name, which cannot be updated in place.
    backbone.arch = arch
    config.model.cls_head.in_channels = arch['embed_dims']


def _pipelines(config: Config) -> List[list]:
    loaders = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    return [config[name].dataset.pipeline for name in loaders]


ABLATIONS: Dict[str, Ablation] = {
    'reversal': Ablation(
        2,
        {
            'spatial reversal': partial(scan_backwards, 'SpatialReversal'),
            'temporal reversal': partial(scan_backwards, 'TemporalReversal'),
            'spatio-temporal reversal': partial(
                scan_backwards, 'SpatioTemporalReversal'
            ),
        },
    ),
    'positions': Ablation(
        3,
        {
            'none': partial(embed_positions, None),
            'sinusoid': partial(embed_positions, 'sinusoid'),
            'learned, random': keep,
        },
    ),
    'regularization': Ablation(
        4,
        {
            'neither': partial(regularize, False, 0.0),
            '+ random aug.': partial(regularize, True, 0.0),
            '+ label smoothing': partial(regularize, True, 0.1),
        },
    ),
    'frames': Ablation(
        5,
        {
            '4 frames': partial(sample_frames, 4),
            '8 frames': partial(sample_frames, 8),
            '16 frames': partial(sample_frames, 16),
        },
    ),
    'width': Ablation(
        6,
        {
            'half width': partial(scale_width, 0.5),
            'full width': keep,
        },
    ),
}
