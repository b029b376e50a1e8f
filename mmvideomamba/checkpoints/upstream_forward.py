"""The forward pass of the upstream models, as plain loops.

Written from the published formulae of Vim (arXiv 2401.09417) and OpenGVLab's
VideoMamba (arXiv 2403.06977), on their own keys: float64, one token and one
direction at a time. The tests and tools/model_converters/convert.py check
loaded models against this file; nothing else uses it.

    h <- h + W_out(SiLU(z) * (y_forward + y_reverse))       [/ 2 in Vim]
    [x, z] = W_in RMSNorm(h);   y of one direction, in its scan order:
    c = SiLU(conv(x));   [dt, B, C] = W_x c;   delta = softplus(W_dt dt + b)
    s <- exp(delta A) s + delta c B;   y = s . C + D c;   A = -exp(A_log)
"""

from typing import Dict, List

import torch
import torch.nn.functional as F
from torch import Tensor

from .checkpoint_family import below


def image_features(
    state: Dict[str, Tensor],
    image: Tensor,
    cls_token_position: str,
    merge: str,
) -> Tensor:
    """Compute the features of an image model: its class token, normed.

    Args:
        state (dict): Tensors of the checkpoint under its keys.
        image (Tensor): (3, H, W).
        cls_token_position (str): 'middle' of the patches (Vim) or their
            'head'.
        merge (str): 'mean' of the directions (Vim) or their 'sum'.

    Returns:
        Tensor: (C,) float64.
    """
    p = _double(state)
    patches = _patches(p, p['patch_embed.proj.weight'], image.double())
    row = len(patches) // 2 if cls_token_position == 'middle' else 0
    tokens = [*patches[:row], p['cls_token'][0, 0], *patches[row:]]
    x = torch.stack(tokens) + p['pos_embed'][0]
    return _blocks(p, x, merge)[row]


def video_features(state: Dict[str, Tensor], clip: Tensor) -> Tensor:
    """Compute the features of OpenGVLab's video model: its class token.

    Args:
        state (dict): Tensors of the checkpoint under its keys.
        clip (Tensor): (3, T, H, W), with as many frames as temporal
            positions.

    Returns:
        Tensor: (C,) float64.
    """
    p = _double(state)
    weight = p['patch_embed.proj.weight'][:, :, 0]
    space, time = p['pos_embed'][0], p['temporal_pos_embedding'][0]
    tokens = [p['cls_token'][0, 0] + space[0]]
    for t in range(clip.shape[1]):
        patches = _patches(p, weight, clip[:, t].double())
        tokens += [
            patch + space[1 + s] + time[t] for s, patch in enumerate(patches)
        ]
    return _blocks(p, torch.stack(tokens), 'sum')[0]


def _double(state: Dict[str, Tensor]) -> Dict[str, Tensor]:
    return {name: tensor.double() for name, tensor in state.items()}


def _patches(
    p: Dict[str, Tensor], weight: Tensor, image: Tensor
) -> List[Tensor]:
    size = weight.shape[-1]
    return [
        (weight * image[:, y : y + size, x : x + size]).sum((1, 2, 3))
        + p['patch_embed.proj.bias']
        for y in range(0, image.shape[1], size)
        for x in range(0, image.shape[2], size)
    ]


def _blocks(p: Dict[str, Tensor], tokens: Tensor, merge: str) -> Tensor:
    depth = sum(name.endswith('in_proj.weight') for name in p)
    for i in range(depth):
        layer = below(p, f'layers.{i}.')
        normed = _rms_norm(tokens, layer['norm.weight'])
        tokens = tokens + _mixer(layer, normed, merge)
    return _rms_norm(tokens, p['norm_f.weight'])


def _rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weight


def _mixer(layer: Dict[str, Tensor], tokens: Tensor, merge: str) -> Tensor:
    x, z = (tokens @ layer['mixer.in_proj.weight'].T).chunk(2, dim=-1)
    forward = _direction(layer, '', x)
    reverse = _direction(layer, '_b', x.flip(0)).flip(0)
    y = (forward + reverse) * F.silu(z)
    if merge == 'mean':
        y = y / 2
    return y @ layer['mixer.out_proj.weight'].T


def _direction(layer: Dict[str, Tensor], b: str, x: Tensor) -> Tensor:
    """The scan over x (L, D); `b` is '' or '_b', as in the keys."""
    A_log = layer[f'mixer.A{b}_log']
    conv = layer[f'mixer.conv1d{b}.weight'][:, 0]
    W_dt = layer[f'mixer.dt_proj{b}.weight']
    R, N, width = W_dt.shape[1], A_log.shape[1], conv.shape[1]
    state = torch.zeros_like(A_log)
    out = []
    for t in range(len(x)):
        c = layer[f'mixer.conv1d{b}.bias']
        for w in range(width):
            past = t - (width - 1) + w
            if past >= 0:
                c = c + conv[:, w] * x[past]
        c = F.silu(c)
        projected = layer[f'mixer.x_proj{b}.weight'] @ c
        dt, B, C = projected.split([R, N, N])
        delta = F.softplus(W_dt @ dt + layer[f'mixer.dt_proj{b}.bias'])
        state = (delta[:, None] * -A_log.exp()).exp() * state
        state = state + (delta * c)[:, None] * B
        out.append(state @ C + layer[f'mixer.D{b}'] * c)
    return torch.stack(out)
