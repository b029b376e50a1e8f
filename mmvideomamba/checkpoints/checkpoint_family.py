"""Whose model a checkpoint is, and its tensors as backbone and head.

The keys show whether it is mmvideomamba's own, or a video model of
OpenGVLab's. The image models of Vim and OpenGVLab have the same keys and
shapes, yet Vim halves the sum of its directions and has its class token in
the middle. They are recognised by the model's name among the training
arguments in the file, by the published file names and by the address. Where
these say nothing, or contradict each other, the user has to say.
"""

import re
from typing import Dict, NamedTuple, Optional, Tuple

from torch import Tensor

from ..checks import require_choice
from .settings import (
    Settings,
    check_settings,
    recorded_settings,
    with_settings,
)
from .tensor_checks import require_weights

# Where the tensors are in the file, unless it is a bare state dict.
CONTAINERS = ('state_dict', 'model', 'module', 'model_ema')


class Conventions(NamedTuple):
    """What the authors' model does that its tensors do not show.

    None: as the checkpoint records, or as the config says that came with it.
    """

    title: str
    cls_token_position: Optional[str]  # 'head' or 'middle'
    merge: Optional[str]  # 'sum' or 'mean'


CHECKPOINT_FAMILIES = {
    'videomamba': Conventions('mmvideomamba', None, None),
    'vim': Conventions('Vim, images', 'middle', 'mean'),
    'opengvlab_image': Conventions(
        'OpenGVLab VideoMamba, images', 'head', 'sum'
    ),
    'opengvlab_video': Conventions(
        'OpenGVLab VideoMamba, video', 'head', 'sum'
    ),
}
IMAGE_FAMILIES = ('vim', 'opengvlab_image')
# The scan orders of Vim and OpenGVLab, one per direction.
PUBLISHED_ORDERS = 'SpatioTemporalForward, SpatioTemporalReversal'

# Evidence for an image family: the model's name in the training arguments,
# the published file names, the repository in the address.
MODEL_NAMES = {
    'vim': r'vim_\w+_mid(dle_cls_token|clstok)_div2$',
    'opengvlab_image': r'videomamba_(tiny|small|middle|base)$',
}
FILE_NAMES = {
    'vim': r'(^|.*/)vim_[tsb]_midclstok_\w*acc\.\w+$',
    # `res224to448`: trained at 224 pixels, then at 448.
    'opengvlab_image': r'(^|.*/)videomamba_[tsmb]16_in1k_res\d+(to\d+)*\.\w+$',
}
ADDRESSES = {
    'vim': r'https?://.*/hustvl/Vim-\w+-midclstok/',
    'opengvlab_image': r'https?://.*/OpenGVLab/VideoMamba/',
}

# Vim's fine-tuned models, whose patches overlap, by the same evidence.
STRIDE = r'.*stride_?(\d+)'
FINE_TUNED = r'(^|.*/)vim_[tsb]_midclstok_ft_\w+\.\w+$'


class Weights(NamedTuple):
    """The tensors of one checkpoint, under their authors' names."""

    location: str
    family: str  # one of CHECKPOINT_FAMILIES
    evidence: str  # how the family was found
    backbone: Dict[str, Tensor]
    head: Dict[str, Tensor]  # fc_cls.weight, fc_cls.bias, or nothing
    recorded: Settings = {}  # what it records of itself

    @property
    def settings(self) -> Settings:
        """What the tensors do not show, as far as it is known."""
        if self.family == 'videomamba':
            return self.recorded
        return dict(
            cls_token_position=self.conventions.cls_token_position,
            merge=self.conventions.merge,
            scan_orders=PUBLISHED_ORDERS,
        )

    @property
    def conventions(self) -> Conventions:
        return CHECKPOINT_FAMILIES[self.family]

    @property
    def title(self) -> str:
        return f'{self.location} ({self.conventions.title})'

    def under_recognizer_keys(self) -> Dict[str, Tensor]:
        """All tensors, as `backbone.*` and `cls_head.*`."""
        state = {f'backbone.{k}': v for k, v in self.backbone.items()}
        state.update({f'cls_head.{k}': v for k, v in self.head.items()})
        return state


def identify(
    content: dict, location: str, family: Optional[str] = None
) -> Weights:
    """Find the tensors in a checkpoint, and whose model they are of.

    Args:
        content (dict): As `read_checkpoint` returns it.
        location (str): Path or URL of the file.
        family (str, optional): One of `CHECKPOINT_FAMILIES`, if the user
            says it.

    Raises:
        ValueError: The checkpoint is of none of the families, its family
            cannot be told, or its patches overlap.
    """
    require_choice('family', family, [None, *CHECKPOINT_FAMILIES])
    state = find_state_dict(content, location)
    # Ours has a table of positions' grid; `fit_backbone` compares dtypes.
    own = any(str(n).endswith('layers.0.mixer.conv_weight') for n in state)
    require_weights(state, location, integers=own)
    backbone, head = _split(state)
    evidence = 'by its keys'
    recorded: Settings = {}
    if 'layers.0.mixer.conv_weight' in backbone:
        found = 'videomamba'
        records = recorded_settings(state)
        settings = records.get('backbone', records.get(''))
        recorded = check_settings(settings, location)
    elif 'layers.0.mixer.A_b_log' not in backbone:
        raise ValueError(
            f'{location} holds another architecture: its keys begin with '
            f'{_first(state)}. Expected a checkpoint of mmvideomamba, Vim, or '
            "OpenGVLab's VideoMamba (docs/checkpoints.md)."
        )
    elif 'temporal_pos_embedding' in backbone:
        found = 'opengvlab_video'
    else:
        model_name = _model_name(content)
        _require_no_overlap(backbone, location, model_name)
        if family in IMAGE_FAMILIES:
            found, evidence = family, 'as the family option says'
        else:
            found, evidence = _image_family(location, model_name)
    if family not in (None, found):
        raise ValueError(
            f'{location} was said to be of family {family!r}, but its keys '
            f'are those of {found!r}. Leave family out, or check the file.'
        )
    return Weights(location, found, evidence, backbone, head, recorded)


def find_state_dict(content: dict, location: str) -> Dict[str, Tensor]:
    """Return the tensors of a file, without the prefix of parallel wrappers.

    The records of its settings stay with them.

    Raises:
        ValueError: There is no dict of tensors.
    """
    if not isinstance(content, dict):
        raise ValueError(
            f'{location} holds a {type(content).__name__}, expected a dict of '
            f'tensors, bare or under one of {CONTAINERS}'
        )
    candidates = [content.get(name) for name in CONTAINERS] + [content]
    for state in candidates:
        if isinstance(state, dict) and any(
            isinstance(value, Tensor) for value in state.values()
        ):
            wrapped = all(str(name).startswith('module.') for name in state)
            start = len('module.') * wrapped
            return with_settings(
                {k[start:]: v for k, v in state.items()},
                {k[start:]: v for k, v in recorded_settings(state).items()},
            )
    raise ValueError(
        f'{location} holds no tensors, bare or under one of {CONTAINERS}; it '
        f'holds {_first(content)}'
    )


def _split(state: Dict[str, Tensor]) -> Tuple[dict, dict]:
    """Return the tensors of the backbone and of the head."""
    if any(name.startswith('backbone.') for name in state):
        return below(state, 'backbone.'), below(state, 'cls_head.')
    head = {f'fc_cls.{k}': v for k, v in below(state, 'head.').items()}
    backbone = {k: v for k, v in state.items() if not k.startswith('head.')}
    return backbone, head


def _model_name(content: dict) -> str:
    """What the training arguments in a file call the model, or nothing."""
    arguments = content.get('args')
    if not isinstance(arguments, dict):
        arguments = getattr(arguments, '__dict__', {})
    return str(arguments.get('model', ''))


def _require_no_overlap(
    backbone: Dict[str, Tensor], location: str, model_name: str
) -> None:
    weight = backbone.get('patch_embed.proj.weight')
    patch = 16 if weight is None else weight.shape[-1]
    match = re.match(STRIDE, model_name)
    if match and int(match[1]) != patch:
        stride, evidence = match[1], f'the model name {model_name!r} in it'
    elif re.match(FINE_TUNED, location.split('?')[0]):
        stride, evidence = '8', "'_ft_' in its name"
    else:
        return
    raise ValueError(
        f'{location} is of a model whose patches overlap: {evidence} stands '
        f'for patches of {patch} pixels at a stride of {stride}. Those of '
        'VideoMamba do not, so it would compute other features. Take a file '
        "of Vim's without '_ft_' in its name, such as "
        'vim_s_midclstok_80p5acc.pth.'
    )


def _image_family(location: str, model_name: str) -> Tuple[str, str]:
    """Tell Vim from OpenGVLab's image model by what surrounds the tensors."""
    sources = (
        (f'the model name {model_name!r} in it', MODEL_NAMES, model_name),
        ('its file name', FILE_NAMES, location.split('?')[0]),
        ('its address', ADDRESSES, location),
    )
    votes = {
        evidence: family
        for evidence, patterns, text in sources
        for family, pattern in patterns.items()
        if re.match(pattern, text)
    }
    # Another Vim than the released ones: no file name can tell whether it
    # halves.
    unknown_model = model_name and not any(
        re.match(pattern, model_name) for pattern in MODEL_NAMES.values()
    )
    if len(set(votes.values())) == 1 and not unknown_model:
        return next(iter(votes.values())), 'by ' + ' and '.join(votes)
    reason = (
        'nothing in it or in its name says which'
        if not votes and not unknown_model
        else 'what it says is contradictory: '
        + ', '.join(
            [f'{family!r} by {evidence}' for evidence, family in votes.items()]
            + [f'an unknown model, {model_name!r}'] * bool(unknown_model)
        )
    )
    raise ValueError(
        f"{location} is an image model of Vim's or of OpenGVLab's, and "
        f'{reason}. Their keys are the same, but Vim halves the sum of its '
        'two directions and has its class token in the middle. Say which it '
        "is: init_cfg=dict(type='Pretrained', checkpoint=..., "
        "family='vim') or family='opengvlab_image'."
    )


def below(state: dict, prefix: str) -> dict:
    """Return the entries whose keys begin with `prefix`, without it."""
    return {
        name[len(prefix) :]: value
        for name, value in state.items()
        if name.startswith(prefix)
    }


def _first(content: dict) -> str:
    names = [str(name) for name in content]
    return ', '.join(names[:3]) + (', ...' if len(names) > 3 else '')
