"""What a checkpoint is: its container, its family, its backbone and head.

A container is where the tensors lie in the file; a family is whose model they
belong to. Three families are told by their tensors' names. Vim's and
OpenGVLab's image models cannot be: names and shapes are the same, yet Vim
halves the sum of its directions and has its class token in the middle. They
are told by the model's name among the training arguments in the file, by the
published file names and by the address; where these are silent or disagree,
the user has to say.
"""

import re
from typing import Dict, NamedTuple, Optional, Tuple

from torch import Tensor

from ..checks import require_choice

CONTAINERS = ('state_dict', 'model', 'module', 'model_ema')


class Family(NamedTuple):
    """What its authors' model does that the tensors do not show."""

    title: str
    cls_token_position: Optional[str]  # where their scan meets the class token
    merge: Optional[str]  # how their directions become one


FAMILIES = {
    # None: as the config says, which came with the checkpoint.
    'videomamba': Family('mmvideomamba', None, None),
    'vim': Family('Vim, images', 'middle', 'mean'),
    'opengvlab_image': Family('OpenGVLab VideoMamba, images', 'head', 'sum'),
    'opengvlab_video': Family('OpenGVLab VideoMamba, video', 'head', 'sum'),
}
IMAGE_FAMILIES = ('vim', 'opengvlab_image')

# Evidence for an image family: the model's name in the training arguments,
# the published file names, the repository in the address.
MODEL_NAMES = {
    'vim': r'vim_\w+_mid(dle_cls_token|clstok)_div2$',
    'opengvlab_image': r'videomamba_(tiny|small|middle|base)$',
}
FILE_NAMES = {
    'vim': r'(^|.*/)vim_[tsb]_midclstok_\w*acc\.\w+$',
    'opengvlab_image': r'(^|.*/)videomamba_[tsmb]16_in1k_res\d+\.\w+$',
}
ADDRESSES = {
    'vim': r'https?://.*/hustvl/Vim-\w+-midclstok/',
    'opengvlab_image': r'https?://.*/OpenGVLab/VideoMamba/',
}


class Weights(NamedTuple):
    """The tensors of one checkpoint, under their authors' names."""

    location: str
    family: str
    evidence: str  # how the family was found
    backbone: Dict[str, Tensor]
    head: Dict[str, Tensor]  # fc_cls.weight, fc_cls.bias, or nothing

    @property
    def title(self) -> str:
        return f'{self.location} ({FAMILIES[self.family].title})'


def identify(
    content: dict, location: str, family: Optional[str] = None
) -> Weights:
    """Find the weights in what a checkpoint file holds, and whose they are.

    Args:
        content (dict): As `read_checkpoint` returns it.
        location (str): Where it came from.
        family (str, optional): One of `FAMILIES`, where the user says it.

    Raises:
        ValueError: Nothing of these families is in the file, or which one it
            is cannot be told.
    """
    require_choice('family', family, [None, *FAMILIES])
    state = find_state_dict(content, location)
    backbone, head = _split(state)
    if 'layers.0.mixer.conv_weight' in backbone:
        found = 'videomamba'
    elif 'layers.0.mixer.A_b_log' not in backbone:
        raise ValueError(
            f'{location} holds another architecture: its tensors begin with '
            f'{_first(state)}. Expected a checkpoint of mmvideomamba, Vim, or '
            "OpenGVLab's VideoMamba (docs/checkpoints.md)."
        )
    elif 'temporal_pos_embedding' in backbone:
        found = 'opengvlab_video'
    elif family in IMAGE_FAMILIES:
        return Weights(location, family, 'as told', backbone, head)
    else:
        found, evidence = _image_family(content, location)
        if family is None:
            return Weights(location, found, evidence, backbone, head)
    if family not in (None, found):
        raise ValueError(
            f'{location} was said to be of family {family!r}, but its tensors '
            f'are those of {found!r}. Leave family out, or check the file.'
        )
    return Weights(location, found, "by its tensors' names", backbone, head)


def find_state_dict(content: dict, location: str) -> Dict[str, Tensor]:
    """Return the tensors in a container, without a parallel wrapper's prefix.

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
            if all(name.startswith('module.') for name in state):
                return {k[len('module.') :]: v for k, v in state.items()}
            return dict(state)
    raise ValueError(
        f'{location} holds no tensors, bare or under one of {CONTAINERS}; it '
        f'holds {_first(content)}'
    )


def _split(state: Dict[str, Tensor]) -> Tuple[dict, dict]:
    """Part the backbone from the head."""
    if any(name.startswith('backbone.') for name in state):
        return below(state, 'backbone.'), below(state, 'cls_head.')
    head = {f'fc_cls.{k}': v for k, v in below(state, 'head.').items()}
    backbone = {k: v for k, v in state.items() if not k.startswith('head.')}
    return backbone, head


def _image_family(content: dict, location: str) -> Tuple[str, str]:
    """Tell Vim from OpenGVLab's image model by what surrounds the tensors."""
    arguments = content.get('args')
    if not isinstance(arguments, dict):
        arguments = getattr(arguments, '__dict__', {})
    model_name = str(arguments.get('model', ''))
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
    # A Vim of another kind than the released ones: no file name can tell
    # whether it halves.
    unknown_model = model_name and not any(
        re.match(pattern, model_name) for pattern in MODEL_NAMES.values()
    )
    if len(set(votes.values())) == 1 and not unknown_model:
        return next(iter(votes.values())), 'by ' + ' and '.join(votes)
    reason = (
        'nothing in it or in its name says which'
        if not votes and not unknown_model
        else 'the signs disagree: '
        + ', '.join(
            [f'{family!r} by {evidence}' for evidence, family in votes.items()]
            + [f'an unknown model, {model_name!r}'] * bool(unknown_model)
        )
    )
    raise ValueError(
        f"{location} is an image model of Vim's or of OpenGVLab's, and "
        f'{reason}. Their tensors have the same names, but Vim halves the sum '
        'of its two directions and has its class token in the middle. Say '
        "which it is: init_cfg=dict(type='Pretrained', checkpoint=..., "
        "family='vim') or family='opengvlab_image'."
    )


def below(state: dict, prefix: str) -> dict:
    """The entries under `prefix`, which their names lose."""
    return {
        name[len(prefix) :]: value
        for name, value in state.items()
        if name.startswith(prefix)
    }


def _first(names) -> str:
    names = [str(name) for name in names]
    return ', '.join(names[:3]) + (', ...' if len(names) > 3 else '')
