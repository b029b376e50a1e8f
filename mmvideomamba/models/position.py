"""Position embeddings (the paper, section 4.2).

Every embedding is a module whose `forward(grid)` gives (1, L, C) for the
sequence [class token, patches in raster order]; the class token's row comes
first and is there only if the model has one. A grid other than the configured
one gets the table resized. `inflate_image_positions` makes the table of a
video model from that of an image model, in the paper's four ways.
"""

import math
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import require_choice
from .scan_orders import Grid

POS_EMBEDS = ('learnable', 'sinusoid', 'factorized', None)
POS_EMBED_INITS = (
    'expand',
    'interpolate_spatial',
    'interpolate_dim',
    'random',
)


def build_position_embedding(
    kind: Optional[str], grid: Grid, embed_dims: int, with_cls_token: bool
) -> Optional[nn.Module]:
    """Return the embedding called `kind`, one of `POS_EMBEDS`."""
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
    """One learnt vector per token: `table` (1, [1 +] T*H*W, C).

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
    """Fixed sines over the token's number in raster order; no parameters.

    Vaswani et al. 2017, section 3.5. The class token's row is zero.
    """

    def __init__(
        self, grid: Grid, embed_dims: int, with_cls_token: bool
    ) -> None:
        super().__init__()
        self.grid = grid
        self.num_extra = int(with_cls_token)
        self.register_buffer(
            'table',
            F.pad(
                sinusoid(math.prod(grid), embed_dims),
                (0, 0, self.num_extra, 0),
            )[None],
            persistent=False,
        )

    def forward(self, grid: Grid) -> Tensor:
        return resize_positions(self.table, self.grid, grid, self.num_extra)


class FactorizedPosition(nn.Module):
    """A learnt vector per place plus a learnt vector per time.

    `spatial` (1, [1 +] H*W, C) holds the class token's row, `temporal`
    (1, T, C) starts at zero (OpenGVLab's VideoMamba, arXiv 2403.06977);
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
        cls_row = spatial[:, : self.num_extra]
        patches = spatial[:, None, self.num_extra :] + temporal[:, :, None]
        return torch.cat([cls_row, patches.flatten(1, 2)], dim=1)


def sinusoid(length: int, dims: int) -> Tensor:
    """(length, dims) float32: sines in even, cosines in odd channels."""
    channel = torch.arange(dims)
    wavelength = 10000.0 ** (2 * (channel // 2) / dims)
    angle = torch.arange(length)[:, None] / wavelength
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos())


def resize_positions(
    table: Tensor, grid: Grid, new_grid: Grid, num_extra: int = 0
) -> Tensor:
    """Resize a position table to another token grid.

    Bicubic in space, linear in time; rows before the patches (the class
    token's) stay as they are.

    Args:
        table (Tensor): (1, num_extra + T*H*W, C).
        grid (tuple[int, int, int]): (T, H, W) of `table`.
        new_grid (tuple[int, int, int]): (T', H', W') wanted.
        num_extra (int): Rows before the patches.

    Returns:
        Tensor: (1, num_extra + T'*H'*W', C); `table` itself when the grids
        are equal.
    """
    if tuple(grid) == tuple(new_grid):
        return table
    (t, h, w), (new_t, new_h, new_w) = grid, new_grid
    extra, patches = table[:, :num_extra], table[:, num_extra:]
    patches = patches.reshape(t, h, w, -1).permute(3, 0, 1, 2)
    if (h, w) != (new_h, new_w):
        patches = F.interpolate(
            patches, size=(new_h, new_w), mode='bicubic', align_corners=False
        )
    if t != new_t:
        patches = F.interpolate(
            patches.flatten(2).transpose(1, 2),
            size=new_t,
            mode='linear',
            align_corners=False,
        ).transpose(1, 2)
    patches = patches.flatten(1).transpose(0, 1)
    return torch.cat([extra, patches[None]], dim=1)


def inflate_image_positions(
    image_table: Tensor, num_times: int, how: str
) -> Tensor:
    """Make a video model's patch positions from an image model's.

    The paper's section 4.2, initialisations (3-1) to (3-3).

    Args:
        image_table (Tensor): (1, H*W, C), patches only.
        num_times (int): n_t, tokens along time.
        how (str): 'expand' repeats the table n_t times;
            'interpolate_spatial' stretches H*W rows to H*W*n_t;
            'interpolate_dim' stretches C channels to C*n_t and cuts them
            into n_t rows per place.

    Returns:
        Tensor: (1, n_t*H*W, C), time outermost.
    """
    require_choice('inflation of positions', how, POS_EMBED_INITS[:3])
    _, places, dims = image_table.shape
    if how == 'expand':
        return image_table.repeat(1, num_times, 1)
    if how == 'interpolate_spatial':
        return F.interpolate(
            image_table.transpose(1, 2),
            size=places * num_times,
            mode='linear',
            align_corners=False,
        ).transpose(1, 2)
    stretched = F.interpolate(
        image_table,
        size=dims * num_times,
        mode='linear',
        align_corners=False,
    )
    return (
        stretched.reshape(1, places, num_times, dims)
        .transpose(1, 2)
        .reshape(1, num_times * places, dims)
    )
