"""What a training on one's own videos starts from."""

import os
from typing import Any, Dict, NamedTuple, Optional

from ..checkpoints import load_backbone
from ..checks import require_choice
from ..model_zoo import find_model
from ..models.videomamba import ARCHS
from ..registry import MODELS

TUBELET = 2
PATCH = 16


class ClipSize(NamedTuple):
    """What a clip is: `frames` pictures of `size` x `size` pixels."""

    frames: int
    size: int


class Start(NamedTuple):
    """What a training starts from.

    Attributes:
        backbone (dict): Config of the backbone; `num_frames` and `img_size`
            are None where they are to follow from the videos.
        preprocessor (dict): Config of the data preprocessor.
        weights (str, optional): File or URL; None: random weights.
    """

    backbone: Dict[str, Any]
    preprocessor: Dict[str, Any]
    weights: Optional[str]


def make_start(
    arch: Optional[str],
    weights: Optional[str],
    frames: Optional[int] = None,
    size: Optional[int] = None,
) -> Start:
    """What to train, of which clips.

    Args:
        arch (str, optional): A name of `ARCHS`. None: that of the weights, or
            'nano'.
        weights (str, optional): A name of `list_models`, the folder of a
            training, a file or a URL.
        frames (int, optional): Of a clip. None: as the weights have it, or
            else the videos, see `fit_clips`.
        size (int, optional): Height and width of a clip, likewise.

    Raises:
        ValueError: The weights are of another architecture, or the clip does
            not fit the model.
    """
    normal = dict(
        type='ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW',
    )
    backbone: Dict[str, Any] = dict(type='VideoMamba', arch=arch or 'nano')
    source = None
    if weights is None:
        # At its head, a class token tells the forward direction nothing.
        backbone.update(cls_token_position=None, out_type='avg_featmap')
    elif os.path.isfile(weights) or '://' in weights:
        source = weights
        if arch is None:
            raise ValueError(
                f'expected --arch with weights of a file, one of '
                f'{", ".join(ARCHS)}'
            )
        backbone.update(num_frames=16, img_size=224)
    else:
        config, source = find_model(weights)
        if source is None:
            raise ValueError(f'{weights} comes without weights')
        normal = dict(config.model.data_preprocessor)
        backbone = dict(config.model.backbone)
        backbone.pop('init_cfg', None)
        require_choice('arch of the weights', backbone['arch'], ARCHS)
        if arch not in (None, backbone['arch']):
            raise ValueError(
                f'--arch {arch} is not that of {weights}, '
                f'{backbone["arch"]!r}: leave it out'
            )
    backbone['num_frames'] = frames or backbone.get('num_frames')
    backbone['img_size'] = size or backbone.get('img_size')
    _require_whole_tubelets(backbone)
    return Start(backbone, normal, source)


def _require_whole_tubelets(backbone: Dict[str, Any]) -> None:
    frames, size = backbone['num_frames'] or 0, backbone['img_size'] or 0
    tubelet = backbone.get('tubelet_size', TUBELET)
    patch = backbone.get('patch_size', PATCH)
    if frames % tubelet or size % patch:
        raise ValueError(
            f'expected frames divisible by {tubelet} and a size divisible by '
            f'{patch}, got {frames} and {size}'
        )


def fit_clips(start: Start, videos: ClipSize) -> Start:
    """Choose the clips that are left to the videos.

    A quarter of the frames of a video, and nine tenths of its picture.

    Args:
        start (Start): Of `make_start`.
        videos (ClipSize): Median frames and short side of the videos.
    """
    frames = max(4, min(16, videos.frames // 4 // TUBELET * TUBELET))
    size = max(32, min(224, int(0.9 * videos.size) // 32 * 32))
    backbone = dict(start.backbone)
    backbone['num_frames'] = backbone['num_frames'] or frames
    backbone['img_size'] = backbone['img_size'] or size
    return start._replace(backbone=backbone)


def require_weights_fit(start: Start) -> None:
    """Load the weights once, before anything is written.

    Raises:
        OSError, ValueError: As `load_backbone` does.
    """
    if start.weights is not None:
        load_backbone(MODELS.build(start.backbone), start.weights)
