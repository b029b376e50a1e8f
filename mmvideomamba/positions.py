"""Position tables as tensors: make, resize, inflate, split.

Pure functions, used by the position embeddings of a model and by the loading
of checkpoints. A table is (1, [1 +] L, C): with a class token its row comes
first, then the patches in raster order, time outermost.
"""

from typing import Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import require_choice

Grid = Tuple[int, int, int]  # tokens along (time, height, width)

# How the positions of an image model start those of a video model.
POS_EMBED_INITS = (
    'expand',
    'interpolate_spatial',
    'interpolate_dim',
    'random',
)


def sinusoid_table(length: int, dims: int) -> Tensor:
    """Return (length, dims): sines in even, cosines in odd channels."""
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
        num_times (int): n_t, time steps of the video's grid.
        how (str): 'expand' repeats the table n_t times;
            'interpolate_spatial' stretches H*W rows to H*W*n_t;
            'interpolate_dim' stretches C channels to C*n_t and cuts them
            into n_t rows per patch.

    Returns:
        Tensor: (1, n_t*H*W, C), time outermost.
    """
    require_choice('inflation of image positions', how, POS_EMBED_INITS[:3])
    _, num_patches, dims = image_table.shape
    if how == 'expand':
        return image_table.repeat(1, num_times, 1)
    if how == 'interpolate_spatial':
        return F.interpolate(
            image_table.transpose(1, 2),
            size=num_patches * num_times,
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
        stretched.reshape(1, num_patches, num_times, dims)
        .transpose(1, 2)
        .reshape(1, num_times * num_patches, dims)
    )


def add_space_and_time(
    spatial: Tensor, temporal: Tensor, num_extra: int = 0
) -> Tensor:
    """Make one table of a spatial and a temporal one.

    Args:
        spatial (Tensor): (1, num_extra + H*W, C).
        temporal (Tensor): (1, T, C).
        num_extra (int): Rows before the patches; nothing is added to them.

    Returns:
        Tensor: (1, num_extra + T*H*W, C).
    """
    extra, patches = spatial[:, :num_extra], spatial[:, num_extra:]
    patches = patches[:, None] + temporal[:, :, None]
    return torch.cat([extra, patches.flatten(1, 2)], dim=1)


def split_space_and_time(
    table: Tensor, num_times: int
) -> Tuple[Tensor, Tensor]:
    """Return the spatial and temporal parts whose sum is nearest a table.

    Args:
        table (Tensor): (1, T*H*W, C), patches only.
        num_times (int): T.

    Returns:
        tuple[Tensor, Tensor]: (1, H*W, C) and (1, T, C), by least squares;
        the temporal part has mean zero.
    """
    patches = table.unflatten(1, (num_times, -1))
    spatial = patches.mean(dim=1)
    temporal = (patches - spatial[:, None]).mean(dim=2)
    return spatial, temporal


def cls_row_to_front(table: Tensor, position: str) -> Tensor:
    """Move the class token's row of a table to the front.

    Args:
        table (Tensor): (1, 1 + L, C), the rows in the order of the scan.
        position (str): Where the scan meets the class token: 'head' or
            'middle'.
    """
    row = _cls_row(table, position)
    return torch.cat(
        [table[:, row : row + 1], table[:, :row], table[:, row + 1 :]], dim=1
    )


def cls_row_from_front(table: Tensor, position: str) -> Tensor:
    """Undo `cls_row_to_front`."""
    row = _cls_row(table, position)
    return torch.cat(
        [table[:, 1 : 1 + row], table[:, :1], table[:, 1 + row :]], dim=1
    )


def _cls_row(table: Tensor, position: str) -> int:
    return {'head': 0, 'middle': (table.shape[1] - 1) // 2}[position]
