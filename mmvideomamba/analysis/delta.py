"""What delta, the step size of the scan, looks at (section 5.6, figure 4).

A large delta writes the current token into the state and forgets what came
before; a small one lets the state pass by. Its mean over the channels is a
map over the token grid.
"""

import math
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor, nn

from ..apis import find_backbone
from ..models import SpatioTemporalSSM
from ..positions import Grid
from .blocks import resolve_blocks, spread_blocks

DeltaMaps = Dict[int, Tensor]


@contextmanager
def record_delta(
    model: nn.Module, blocks: Optional[Sequence[int]] = None
) -> Iterator[DeltaMaps]:
    """Record delta of the forward passes inside the context.

        with record_delta(model, blocks=[0, 23]) as maps:
            model.backbone(clips)
        maps[23]  # (K, N, T, H, W)

    The model computes what it always computes; it is as before when the
    context ends, however it ends.

    Args:
        model (nn.Module): A VideoMamba or a recognizer with one.
        blocks (Sequence[int], optional): Numbers of the blocks from 0,
            negative ones from the last. None: all.

    Yields:
        dict[int, Tensor]: Block, counted from 0 -> delta of the latest
        forward pass, (K, N, T, H, W) float32 without gradient: directions,
        clips, token grid; the mean over the channels.

    Raises:
        ValueError: No such block, or no VideoMamba in the model.
    """
    backbone = find_backbone(model)
    maps: DeltaMaps = {}
    grid: List[int] = []

    def note_grid(
        tokenizer: nn.Module, inputs: tuple, output: Tuple[Tensor, Grid]
    ) -> None:
        grid[:] = output[1]

    def note_delta(
        block: int, mixer: SpatioTemporalSSM, inputs: tuple, output: Tensor
    ) -> None:
        with torch.no_grad():
            delta = mixer.delta(*inputs).mean(dim=-1)
        num_extra = delta.shape[2] - math.prod(grid)
        maps[block] = delta[:, :, num_extra:].unflatten(2, grid)

    with ExitStack() as undo:
        hook = backbone.tokenizer.register_forward_hook(note_grid)
        undo.callback(hook.remove)
        for block in resolve_blocks(blocks, len(backbone.layers)):
            mixer = backbone.layers[block].mixer
            hook = mixer.register_forward_hook(partial(note_delta, block))
            undo.callback(hook.remove)
        yield maps


def delta_maps(
    model: nn.Module,
    clip: Tensor,
    blocks: Optional[Sequence[int]] = None,
    direction: Optional[int] = None,
) -> Dict[str, np.ndarray]:
    """Delta of one clip, to be drawn by `visualization.save_token_maps`.

    Args:
        model (nn.Module): A VideoMamba or a recognizer with one.
        clip (Tensor): (1, C, T, H, W) float, see `apis.read_clip`.
        blocks (Sequence[int], optional): See `record_delta`. None: four from
            the first to the last.
        direction (int, optional): Number of a scan direction from 0. None:
            the mean of all.

    Returns:
        dict[str, np.ndarray]: 'block NUMBER' -> (T, H, W) float32.

    Raises:
        ValueError: No such block or direction, or no VideoMamba.
    """
    backbone = find_backbone(model)
    num_directions = len(backbone.scan_orders)
    if direction is None:
        chosen = slice(None)
    elif 0 <= direction < num_directions:
        chosen = slice(direction, direction + 1)
    else:
        raise ValueError(
            f'the model has {num_directions} directions, there is no '
            f'direction {direction}'
        )
    if blocks is None:
        blocks = spread_blocks(backbone.num_layers)
    with torch.no_grad(), record_delta(model, blocks) as delta:
        backbone(clip)
    return {
        f'block {block}': delta[block][chosen].mean((0, 1)).cpu().numpy()
        for block in sorted(delta)
    }


def region_ratio(delta: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """How much larger delta is in one region than in another.

    Args:
        delta (Tensor): (K, N, T, H, W), see `record_delta`.
        inside (Tensor): (N, T, H, W) bool, the tokens of the one region.
        outside (Tensor): (N, T, H, W) bool, those of the other.

    Returns:
        Tensor: (K, N), mean inside over mean outside of every clip; NaN
        where a region is empty.
    """

    def mean(region: Tensor) -> Tensor:
        total = (delta * region).sum(dim=(2, 3, 4))
        return total / region.sum(dim=(1, 2, 3))

    return mean(inside) / mean(outside)
