"""Keys of Vim and OpenGVLab -> our keys.

Their two directions are separate parameters, those of the reverse direction
called `_b`; ours are one parameter with a leading axis of directions. The
class token's row may be in the middle of their position table; in ours it is
row 0.
"""

import re
from typing import Dict, Tuple

import torch
from torch import Tensor

from ..positions import cls_row_to_front
from .checkpoint_family import Weights

TOP_KEYS = {
    'patch_embed.proj.weight': 'tokenizer.proj.weight',
    'patch_embed.proj.bias': 'tokenizer.proj.bias',
    'cls_token': 'cls_token',
    'pos_embed': 'pos_embed.spatial',
    'temporal_pos_embedding': 'pos_embed.temporal',
    'norm_f.weight': 'norm.weight',
    'norm.weight': 'norm.weight',  # of a masked pre-training
}
# Beginning of keys that are left out: whose they are, and whether the model
# computes the same without them.
LEFT_OUT = {
    'distill_head.': ('of self-distillation; its scores are not used', True),
    'clip_decoder.': ('decoder of a masked pre-training', False),
}
BLOCK_KEYS = {
    'norm.weight': 'norm.weight',
    'mixer.in_proj.weight': 'mixer.in_proj.weight',
    'mixer.out_proj.weight': 'mixer.out_proj.weight',
}
# Our key: theirs of the forward and of the reverse direction.
DIRECTION_KEYS = {
    'mixer.conv_weight': ('mixer.conv1d.weight', 'mixer.conv1d_b.weight'),
    'mixer.conv_bias': ('mixer.conv1d.bias', 'mixer.conv1d_b.bias'),
    'mixer.x_proj': ('mixer.x_proj.weight', 'mixer.x_proj_b.weight'),
    'mixer.dt_proj': ('mixer.dt_proj.weight', 'mixer.dt_proj_b.weight'),
    'mixer.dt_bias': ('mixer.dt_proj.bias', 'mixer.dt_proj_b.bias'),
    'mixer.A_log': ('mixer.A_log', 'mixer.A_b_log'),
    'mixer.D': ('mixer.D', 'mixer.D_b'),
}
_DIRECTION_OF: Dict[str, Tuple[str, int]] = {
    theirs: (ours, direction)
    for ours, pair in DIRECTION_KEYS.items()
    for direction, theirs in enumerate(pair)
}


def map_keys(weights: Weights) -> Dict[str, Tensor]:
    """Return the backbone's tensors under our keys, in our shapes.

    Values stay as they are; those of other projects become float32. Their
    positions are `pos_embed.spatial` (1, 1 + H*W, C), the class token's row
    first, and in video models also `pos_embed.temporal` (1, T, C).

    Raises:
        ValueError: Unexpected keys, or keys of one direction only.
    """
    if weights.family == 'videomamba':
        return dict(weights.backbone)
    ours: Dict[str, Tensor] = {}
    directions: Dict[str, Dict[int, Tensor]] = {}
    unexpected = []
    for theirs, tensor in weights.backbone.items():
        match = re.match(r'(layers\.\d+\.)?(.*)', theirs)
        assert match is not None  # as any key does
        layer, name = match.groups('')
        keys = BLOCK_KEYS if layer else TOP_KEYS
        if layer and name in _DIRECTION_OF:
            name, direction = _DIRECTION_OF[name]
            directions.setdefault(layer + name, {})[direction] = tensor.float()
        elif name in keys and layer + keys[name] not in ours:
            ours[layer + keys[name]] = tensor.float()
        elif not theirs.startswith(tuple(LEFT_OUT)):
            unexpected.append(theirs)
    unpaired = [name for name, pair in directions.items() if len(pair) != 2]
    if unexpected or unpaired:
        raise ValueError(
            f'{weights.title} is a variant that is not supported: '
            + f'unexpected keys {unexpected}; ' * bool(unexpected)
            + f'only one direction of {unpaired}; ' * bool(unpaired)
            + 'without them the model would compute something else.'
        )
    for name, pair in directions.items():
        stacked = torch.stack([pair[0], pair[1]])
        if name.endswith('conv_weight'):
            stacked = stacked.squeeze(2)  # (K, D, 1, W) of a Conv1d
        ours[name] = stacked
    if 'pos_embed.spatial' in ours:
        position = weights.conventions.cls_token_position
        assert position is not None  # no config decides it for these families
        ours['pos_embed.spatial'] = cls_row_to_front(
            ours['pos_embed.spatial'], position
        )
    return ours
