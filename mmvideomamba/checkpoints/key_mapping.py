"""Names and layouts of Vim and OpenGVLab -> ours, one table.

Their two directions are separate parameters, the backward one's called `_b`;
ours share a leading axis of directions. Their class token may lie in the
middle of the position table; ours is always row 0.
"""

import re
from typing import Dict, Tuple

import torch
from torch import Tensor

from ..positions import cls_row_to_front
from .checkpoint_family import FAMILIES, Weights

TOP = {
    'patch_embed.proj.weight': 'tokenizer.proj.weight',
    'patch_embed.proj.bias': 'tokenizer.proj.bias',
    'cls_token': 'cls_token',
    'pos_embed': 'pos_embed.spatial',
    'temporal_pos_embedding': 'pos_embed.temporal',
    'norm_f.weight': 'norm.weight',
}
SHARED = {
    'norm.weight': 'norm.weight',
    'mixer.in_proj.weight': 'mixer.in_proj.weight',
    'mixer.out_proj.weight': 'mixer.out_proj.weight',
}
# Ours: theirs of the forward and of the backward direction.
DIRECTIONS = {
    'mixer.conv_weight': ('mixer.conv1d.weight', 'mixer.conv1d_b.weight'),
    'mixer.conv_bias': ('mixer.conv1d.bias', 'mixer.conv1d_b.bias'),
    'mixer.x_proj': ('mixer.x_proj.weight', 'mixer.x_proj_b.weight'),
    'mixer.dt_proj': ('mixer.dt_proj.weight', 'mixer.dt_proj_b.weight'),
    'mixer.dt_bias': ('mixer.dt_proj.bias', 'mixer.dt_proj_b.bias'),
    'mixer.A_log': ('mixer.A_log', 'mixer.A_b_log'),
    'mixer.D': ('mixer.D', 'mixer.D_b'),
}
PLACES: Dict[str, Tuple[str, int]] = {
    theirs: (ours, direction)
    for ours, pair in DIRECTIONS.items()
    for direction, theirs in enumerate(pair)
}


def translate(weights: Weights) -> Dict[str, Tensor]:
    """Return the backbone's tensors under our names, in our layout.

    Values stay as they are; those of other projects become float32. Their
    positions come as `pos_embed.spatial` (1, 1 + H*W, C), class token's row
    first, and of video models `pos_embed.temporal` (1, T, C).

    Raises:
        ValueError: Tensors of unknown or missing names, listed.
    """
    if weights.family == 'videomamba':
        return dict(weights.backbone)
    ours, directions, unknown = {}, {}, []
    for theirs, tensor in weights.backbone.items():
        layer, name = re.match(r'(layers\.\d+\.)?(.*)', theirs).groups('')
        if layer and name in PLACES:
            name, direction = PLACES[name]
            directions.setdefault(layer + name, {})[direction] = tensor.float()
        elif name in (SHARED if layer else TOP):
            ours[layer + (SHARED if layer else TOP)[name]] = tensor.float()
        else:
            unknown.append(theirs)
    unpaired = [name for name, pair in directions.items() if len(pair) != 2]
    if unknown or unpaired:
        raise ValueError(
            f'{weights.title} is a variant that is not supported: '
            + f'unknown tensors {unknown}; ' * bool(unknown)
            + f'only one direction of {unpaired}; ' * bool(unpaired)
            + 'they would change what it computes, so none is left out.'
        )
    for name, pair in directions.items():
        stacked = torch.stack([pair[0], pair[1]])
        if name.endswith('conv_weight'):
            stacked = stacked.squeeze(2)  # (K, D, 1, W) of a Conv1d
        ours[name] = stacked
    if 'pos_embed.spatial' in ours:
        ours['pos_embed.spatial'] = cls_row_to_front(
            ours['pos_embed.spatial'],
            FAMILIES[weights.family].cls_token_position,
        )
    return ours
