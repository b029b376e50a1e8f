"""What a training on one's own videos starts from."""

import os
from typing import Any, Dict, NamedTuple, Optional, Tuple

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
        backbone (dict): Config of the backbone.
        preprocessor (dict): Config of the data preprocessor.
        weights (str, optional): File or URL; None: random weights.
    """

    backbone: Dict[str, Any]
    preprocessor: Dict[str, Any]
    weights: Optional[str]


def make_start(
    arch: Optional[str],
    weights: Optional[str],
    clip: Tuple[Optional[int], Optional[int]],
    videos: ClipSize,
) -> Start:
    """What to train, of which clips.

    Args:
        arch (str, optional): A name of `ARCHS`. None: that of the weights, or
            'nano'.
        weights (str, optional): A name of `list_models`, the folder of a
            training, a file or a URL.
        clip (tuple): Frames and size of a clip, None where they follow from
            the weights or from the videos.
        videos (ClipSize): Median frames and short side of the videos.

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
        size = fit_clip(videos)
    elif os.path.isfile(weights) or '://' in weights:
        source, size = weights, ClipSize(16, 224)
        if arch is None:
            raise ValueError(
                f'expected --arch with weights of a file, one of '
                f'{", ".join(ARCHS)}'
            )
    else:
        config, source = find_model(weights)
        if source is None:
            raise ValueError(f'{weights} comes without weights')
        normal = dict(config.model.data_preprocessor)
        theirs = dict(config.model.backbone)
        theirs.pop('init_cfg', None)
        require_choice('arch of the weights', theirs['arch'], ARCHS)
        if arch not in (None, theirs['arch']):
            raise ValueError(
                f'--arch {arch} is not that of {weights}, {theirs["arch"]!r}: '
                'leave it out'
            )
        backbone = theirs
        size = ClipSize(theirs['num_frames'], theirs['img_size'])
    frames, side = (mine or ours for mine, ours in zip(clip, size))
    if frames % TUBELET or side % PATCH:
        raise ValueError(
            f'expected frames divisible by {TUBELET} and a size divisible by '
            f'{PATCH}, got {frames} and {side}'
        )
    backbone.update(num_frames=frames, img_size=side)
    return Start(backbone, normal, source)


def fit_clip(videos: ClipSize) -> ClipSize:
    """A quarter of the frames of a video, and nine tenths of its picture."""
    frames = max(4, min(16, videos.frames // 4 // TUBELET * TUBELET))
    side = max(32, min(224, int(0.9 * videos.size) // 32 * 32))
    return ClipSize(frames, side)


def require_weights_fit(start: Start) -> None:
    """Load the weights once, before anything is written.

    Raises:
        OSError, ValueError: As `load_backbone` does.
    """
    if start.weights is not None:
        load_backbone(MODELS.build(start.backbone), start.weights)
