"""Position embeddings (the paper, section 4.2).

Every embedding is a module whose `forward(grid)` gives (1, L, C) for the
sequence [class token, patches in raster order]. The class token's row comes
first, and is there only if the model has a class token. For a grid other than
the configured one the table is resized.
"""

import math
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import require_choice
from ..positions import (
    Grid,
    add_space_and_time,
    resize_positions,
    sinusoid_table,
)

POS_EMBEDS = ('learnable', 'sinusoid', 'factorized', None)


def build_position_embedding(
    kind: Optional[str], grid: Grid, embed_dims: int, with_cls_token: bool
) -> Optional[nn.Module]:
    """Build the position embedding `kind`, one of `POS_EMBEDS`."""
    require_choice('pos_embed', kind, POS_EMBEDS)
    if kind is None:
        return None
    cls = {
        'learnable': LearnablePosition,
        'sinusoid': SinusoidPosition,
        'factorized': FactorizedPosition,
    }[kind]
    return cls(grid, embed_dims, with_cls_token)


class LearnablePosition(nn.Module):
    """A learnable vector per token: `table` (1, [1 +] T*H*W, C).

    `table_grid` (3,) int64 records (T, H, W) in the checkpoint: the number
    of rows alone would not tell 32x14x14 from 8x28x28.
    """

    def __init__(
        self, grid: Grid, embed_dims: int, with_cls_token: bool
    ) -> None:
        super().__init__()
        self.grid = grid
        self.num_extra = int(with_cls_token)
        self.table = nn.Parameter(
            torch.empty(1, self.num_extra + math.prod(grid), embed_dims)
        )
        nn.init.trunc_normal_(self.table, std=0.02)
        self.register_buffer('table_grid', torch.tensor(grid))

    def forward(self, grid: Grid) -> Tensor:
        return resize_positions(self.table, self.grid, grid, self.num_extra)


class SinusoidPosition(nn.Module):
    """Fixed sines and cosines of the token's index in raster order.

    Vaswani et al. 2017, section 3.5. No parameters; the class token's row is
    zero.
    """

    table: Tensor

    def __init__(
        self, grid: Grid, embed_dims: int, with_cls_token: bool
    ) -> None:
        super().__init__()
        self.grid = grid
        self.num_extra = int(with_cls_token)
        self.register_buffer(
            'table',
            F.pad(
                sinusoid_table(math.prod(grid), embed_dims),
                (0, 0, self.num_extra, 0),
            )[None],
            persistent=False,
        )

    def forward(self, grid: Grid) -> Tensor:
        return resize_positions(self.table, self.grid, grid, self.num_extra)


class FactorizedPosition(nn.Module):
    """A learnable vector per patch of a frame plus one per time step.

    OpenGVLab's VideoMamba (arXiv 2403.06977). `spatial` (1, [1 +] H*W, C)
    holds the class token's row, `temporal` (1, T, C) starts at zero;
    `table_grid` as in `LearnablePosition`.
    """

    def __init__(
        self, grid: Grid, embed_dims: int, with_cls_token: bool
    ) -> None:
        super().__init__()
        self.grid = grid
        self.num_extra = int(with_cls_token)
        self.spatial = nn.Parameter(
            torch.empty(1, self.num_extra + grid[1] * grid[2], embed_dims)
        )
        self.temporal = nn.Parameter(torch.zeros(1, grid[0], embed_dims))
        nn.init.trunc_normal_(self.spatial, std=0.02)
        self.register_buffer('table_grid', torch.tensor(grid))

    def forward(self, grid: Grid) -> Tensor:
        (t, h, w), (new_t, new_h, new_w) = self.grid, grid
        spatial = resize_positions(
            self.spatial, (1, h, w), (1, new_h, new_w), self.num_extra
        )
        temporal = resize_positions(self.temporal, (t, 1, 1), (new_t, 1, 1))
        return add_space_and_time(spatial, temporal, self.num_extra)
