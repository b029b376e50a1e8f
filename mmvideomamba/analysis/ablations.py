"""The paper's ablations, as changes of any recipe.

Each row of a table is a function that changes a config in one thing.
tools/analysis_tools/ablation.py trains the rows, or writes their configs.
"""

import copy
import re
import statistics
from functools import partial
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from mmengine.config import Config

from ..datasets.pipelines import find_datasets, split_at_decoding
from ..models.videomamba import ARCHS

Change = Callable[[Config], None]
LOOPS = ('train', 'val', 'test')


# Models of mmaction2 of about half a million parameters for the small clips of
# MotionShapes.
VIT = dict(
    type='VisionTransformer',
    img_size=64,
    num_frames=8,
    embed_dims=96,
    depth=3,
    num_heads=3,
    use_learnable_pos_emb=True,
)
SWIN = dict(
    type='SwinTransformer3D',
    arch=dict(embed_dims=32, depths=(2, 2, 2), num_heads=(1, 2, 4)),
    window_size=(4, 4, 4),
    drop_path_rate=0.0,
    out_indices=(2,),
    pretrained2d=False,
)
I3D = dict(
    type='ResNet3d',
    depth=18,
    num_stages=3,
    base_channels=16,
    out_indices=(2,),
    spatial_strides=(1, 2, 2),
    temporal_strides=(1, 1, 1),
    dilations=(1, 1, 1),
    conv1_kernel=(5, 7, 7),
    inflate=(1, 1, 1),
    pretrained2d=False,
)


class NotApplicable(ValueError):
    """Raised by a row that a config cannot take; says why."""


class Ablation(NamedTuple):
    """One table of the paper.

    Attributes:
        table (int): Its number, see `paper_tables.TABLES`.
        rows (dict[str, Callable]): Name of a row -> how it changes a config.
    """

    table: int
    rows: Dict[str, Change]


def changed(config: Config, change: Change) -> Config:
    """A changed copy of a config.

    Raises:
        NotApplicable: The config cannot take this change.
    """
    config = copy.deepcopy(config)
    change(config)
    return config


def row_name(config: str, ablation: str, row: str) -> str:
    """The name of a row's config, and of its work folder.

    Args:
        config (str): Name of the config that the row changes, without `.py`.
        ablation (str): One of `ABLATIONS`.
        row (str): One of its rows.
    """
    slug = re.sub('[^a-z0-9]+', '-', row.lower()).strip('-')
    return f'{config}_{ablation}-{slug}'


def summarize(
    accuracies: Sequence[float],
) -> Tuple[float, Optional[float], int]:
    """Mean over the seeds, standard deviation if several, their number."""
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else None
    return statistics.mean(accuracies), spread, len(accuracies)


def keep(config: Config) -> None:
    """The row that the config itself is."""


def scan_backwards(reversal: str, config: Config) -> None:
    """Table 2, which the paper made without the class token."""
    config.model.backbone.update(
        scan_orders=(dict(type='SpatioTemporalForward'), dict(type=reversal)),
        cls_token_position=None,
    )


def embed_positions(kind: Optional[str], config: Config) -> None:
    """Table 3, positions that start from no weights."""
    config.model.backbone.pos_embed = kind


def start_positions(init: str, config: Config) -> None:
    """Table 3, learned positions by what they start from."""
    backbone = config.model.backbone
    if not backbone.get('init_cfg'):
        if init == 'random':
            return  # They do so already.
        raise NotApplicable(
            'it starts from the positions of an image model, and the config '
            'names none (model.backbone.init_cfg)'
        )
    if backbone.get('pos_embed_init', 'expand') != init:
        backbone.pos_embed_init = init


def regularize(rand_augment: bool, smoothing: float, config: Config) -> None:
    """Table 4, from the weights of the config."""
    config.model.cls_head.label_smooth_eps = smoothing

    def edit(steps: list) -> list:
        others = [s for s in steps if s['type'] != 'VideoRandAugment']
        if not rand_augment or len(others) < len(steps):
            return steps if rand_augment else others
        augment = dict(
            type='VideoRandAugment',
            n=4,
            magnitude=7,
            magnitude_std=0.5,
            prob=0.5,
        )
        before, decode, after = split_at_decoding(steps)
        return [*before, decode, augment, *after]

    _edit_pipelines(config, ['train'], edit)


def sample_frames(factor: float, config: Config) -> None:
    """Table 5: more or fewer frames of the same stretch of time."""
    backbone = config.model.backbone
    num_frames = round(backbone.get('num_frames', 16) * factor)
    backbone.num_frames = num_frames

    def edit(steps: list) -> list:
        for step in steps:
            if 'frame_interval' in step:
                span = step['clip_len'] * step['frame_interval']
                step['frame_interval'] = max(1, span // num_frames)
            if 'clip_len' in step:
                step['clip_len'] = num_frames
        return steps

    _edit_pipelines(config, LOOPS, edit)


def scale_width(factor: float, config: Config) -> None:
    """Table 6."""
    backbone = config.model.backbone
    if backbone.get('init_cfg'):
        raise NotApplicable(
            'the weights that the config starts from (model.backbone.'
            'init_cfg) have another width; see the videomamba-tiny configs'
        )
    arch = backbone.get('arch', 'small')
    arch = dict(ARCHS[arch] if isinstance(arch, str) else arch)
    arch['embed_dims'] = round(arch['embed_dims'] * factor)
    # The old one may be a name, which cannot be updated in place.
    backbone.arch = arch
    config.model.cls_head.in_channels = arch['embed_dims']


def replace_backbone(backbone: dict, channels: int, config: Config) -> None:
    """Tables 7 to 9 in small: another model of about as many parameters.

    Args:
        backbone (dict): Of mmaction2, for clips of the config's size.
        channels (int): Of its features.
        config (Config): Of the architecture 'nano'.
    """
    nano = config.model.backbone
    if nano.get('arch') != 'nano':
        raise NotApplicable(
            'it has about as many parameters as the architecture nano, and '
            f'the config has model.backbone.arch={nano.get("arch")!r}'
        )
    backbone = dict(backbone)
    for setting in ('img_size', 'num_frames'):
        if setting in backbone:
            backbone[setting] = nano[setting]
    config.model.backbone = backbone
    config.model.cls_head.in_channels = channels
    # The recipe names the norms of VideoMamba, which keep their size too.
    paramwise = config.optim_wrapper.setdefault('paramwise_cfg', {})
    paramwise.norm_decay_mult = 0.0


def _edit_pipelines(
    config: Config,
    loops: Sequence[str],
    edit: Callable[[List[dict]], List[dict]],
) -> None:
    for loop in loops:
        # A config need not validate or test.
        if not config.get(f'{loop}_dataloader'):
            continue
        datasets = find_datasets(config, f'{loop}_dataloader')
        for dataset in datasets:
            dataset.pipeline = edit(copy.deepcopy(dataset.pipeline))
        # The same steps under a name, which mmaction2's inference reads.
        if f'{loop}_pipeline' in config:
            first = copy.deepcopy(datasets[0].pipeline)
            config[f'{loop}_pipeline'] = first


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
            'learned, random': partial(start_positions, 'random'),
            'learned, interpolate-s': partial(
                start_positions, 'interpolate_spatial'
            ),
            'learned, interpolate-d': partial(
                start_positions, 'interpolate_dim'
            ),
            'learned, expanding': partial(start_positions, 'expand'),
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
            'half the frames': partial(sample_frames, 0.5),
            'all frames': keep,
            'twice the frames': partial(sample_frames, 2),
        },
    ),
    'width': Ablation(
        6,
        {
            'half width': partial(scale_width, 0.5),
            'full width': keep,
        },
    ),
    'models': Ablation(
        7,
        {
            'VideoMamba': keep,
            'ViT': partial(replace_backbone, VIT, 96),
            'VideoSwin': partial(replace_backbone, SWIN, 128),
            'I3D': partial(replace_backbone, I3D, 64),
        },
    ),
}
