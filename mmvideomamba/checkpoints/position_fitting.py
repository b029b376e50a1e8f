"""Position embeddings of a checkpoint -> those of a model.

A checkpoint has one table for all tokens, a spatial and a temporal table, or
the table of an image model. A model has either of the first two, for its own
token grid. Those of an image model are inflated as `pos_embed_init` says.
"""

import math
from typing import Dict, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..positions import (
    Grid,
    add_space_and_time,
    inflate_image_positions,
    resize_positions,
    split_space_and_time,
)
from .backbone import Backbone


class Positions(NamedTuple):
    """Positions as a checkpoint has them; T = 1 for an image model."""

    grid: Grid
    cls_row: Optional[Tensor]  # (1, 1, C)
    patches: Tensor  # (1, T*H*W, C), or (1, H*W, C) if is_spatial
    is_spatial: bool
    temporal: Optional[Tensor]  # (1, T, C), used if is_spatial

    @property
    def of_image(self) -> bool:
        return self.is_spatial and self.temporal is None

    @property
    def summary(self) -> str:
        kind = 'image' if self.of_image else 'video'
        return f'{kind} {_grid(self.grid)}, {self.patches.shape[-1]} channels'


def take_positions(
    tensors: Dict[str, Tensor], model_grid: Grid, has_cls: bool
) -> Optional[Positions]:
    """Take the `pos_embed.*` out of `tensors`.

    Args:
        tensors (dict): As `map_keys` returns them; loses its positions.
        model_grid (tuple[int, int, int]): (T, H, W) of the model.
        has_cls (bool): Whether the first row is the class token's.

    Returns:
        Positions or None: None where the checkpoint has none.

    Raises:
        ValueError: The grid of the positions cannot be told.
    """
    spatial = tensors.pop('pos_embed.spatial', None)
    temporal = tensors.pop('pos_embed.temporal', None)
    table = tensors.pop('pos_embed.table', None)
    recorded = tensors.pop('pos_embed.table_grid', None)
    rows = table if table is not None else spatial
    if rows is None:
        return None
    cls_row = rows[:, :1] if has_cls else None
    patches = rows[:, int(has_cls) :]
    if recorded is not None:
        grid = tuple(recorded.tolist())
    elif table is not None:
        grid = _grid_of_table(patches.shape[1], model_grid)
    else:
        times = 1 if temporal is None else temporal.shape[1]
        grid = (times, *_side_lengths(patches.shape[1], model_grid))
    if patches.shape[1] != math.prod(grid if table is not None else grid[1:]):
        raise ValueError(
            f'the checkpoint has positions for {patches.shape[1]} patches, '
            f'but records the grid {_grid(grid)}'
        )
    return Positions(grid, cls_row, patches, table is None, temporal)


def fit_positions(
    source: Positions, model: Backbone, expected: Dict[str, Tensor]
) -> Tuple[Dict[str, Tensor], str, bool]:
    """Make the `pos_embed.*` of `model` from those of a checkpoint.

    Args:
        source (Positions): The checkpoint's.
        model (VideoMamba): Gives its grid and its `pos_embed_init`.
        expected (dict): The model's state dict, which shows the kind of its
            positions.

    Returns:
        tuple: The tensors, none if the model does not use them; how they
        were made, in words; and whether a model of the checkpoint's grid
        would compute the same with them.
    """
    grid, how = model.grid, []
    factorized = 'pos_embed.spatial' in expected
    first_name = 'pos_embed.spatial' if factorized else 'pos_embed.table'
    if first_name not in expected:
        fixed = model.pos_embed is not None
        kind = 'fixed positions' if fixed else 'no positions'
        return {}, f'the model has {kind}', False
    if source.of_image and model.pos_embed_init == 'random':
        return {}, "not used, as pos_embed_init='random' says", False

    faithful = True
    old_t, old_space = source.grid[0], source.grid[1:]
    new_t, new_space = grid[0], grid[1:]
    if old_space != new_space:
        how.append(
            f'resized in space {_grid(old_space)} -> {_grid(new_space)}'
        )
    if not source.of_image and old_t != new_t:
        how.append(f'resized in time {old_t} -> {new_t}')

    table = None  # or else a spatial and a temporal part
    if source.is_spatial:
        spatial = resize_positions(
            source.patches, (1, *old_space), (1, *new_space)
        )
        if source.temporal is not None:
            temporal = resize_positions(
                source.temporal, (old_t, 1, 1), (new_t, 1, 1)
            )
        elif factorized and model.pos_embed_init == 'expand':
            how.append(f"'expand' to {new_t} time steps: zero temporal part")
            faithful = new_t == 1
            temporal = spatial.new_zeros(1, new_t, spatial.shape[2])
        else:
            init = model.pos_embed_init
            how.append(f'{init!r} to {new_t} time steps')
            faithful = new_t == 1
            table = inflate_image_positions(spatial, new_t, init)
    else:
        table = resize_positions(source.patches, source.grid, grid)

    if factorized:
        if table is not None:
            how.append('nearest sum of a spatial and a temporal part')
            faithful = False
            spatial, temporal = split_space_and_time(table, new_t)
        first = spatial
    else:
        if table is None:
            how.append('spatial + temporal part')
            table = add_space_and_time(spatial, temporal)
        first = table
    if model.cls_token_position is not None:
        own = expected[first_name]
        cls_row = own[:, :1] if source.cls_row is None else source.cls_row
        first = torch.cat([cls_row.to(first), first], dim=1)
    tensors = {
        'pos_embed.table_grid': torch.tensor(grid),
        first_name: first,
    }
    if factorized:
        tensors['pos_embed.temporal'] = temporal
    return tensors, '; '.join(how), faithful


def _side_lengths(patches: int, model_grid: Grid) -> Tuple[int, int]:
    """(H, W) of a spatial table that does not record them."""
    if patches == model_grid[1] * model_grid[2]:
        return model_grid[1:]
    side = math.isqrt(patches)
    if side * side != patches:
        raise ValueError(
            f'the checkpoint has positions for {patches} patches of a frame, '
            f'expected a square number or the {_grid(model_grid[1:])} of the '
            'model; set img_size to the size it was trained at'
        )
    return side, side


def _grid_of_table(rows: int, model_grid: Grid) -> Grid:
    """(T, H, W) of a table that does not record it: must be the model's."""
    if rows != math.prod(model_grid):
        raise ValueError(
            f'the checkpoint has positions for {rows} tokens and does not '
            'record their (time, height, width) in pos_embed.table_grid; the '
            f'model has {_grid(model_grid)}. Build the model with the '
            'num_frames and img_size of the checkpoint, load it, save it, '
            'and load that file here'
        )
    return model_grid


def _grid(sides: Sequence[int]) -> str:
    return 'x'.join(str(side) for side in sides)
