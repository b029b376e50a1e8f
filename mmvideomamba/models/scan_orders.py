"""Scan orders: the order in which one direction scans the token grid.

A scan order is a permutation. `permutation(grid)[t]` is the token that step t
visits; the tokens themselves never move in memory. The paper's four orders
(section 4.4, figure 2b) come first, then others. A new one is a class that
rearranges a (T, H, W) array of token numbers:

    @SCAN_ORDERS.register_module()
    class ColumnFirst(ScanOrder):
        def arrange(self, tokens):
            return tokens.transpose(1, 2)
"""

from abc import ABC, abstractmethod
from typing import Optional, Sequence, Union

import torch
from torch import Tensor

from ..checks import require_choice
from ..positions import Grid
from ..registry import SCAN_ORDERS


class ScanOrder(ABC):
    """An order of the (T, H, W) token grid. Subclasses define `arrange`.

    Attributes:
        reverse (bool): Whether this direction runs against the forward one.
            A reverse scan meets the class token at the mirrored position:
            at the head, it is the first step of a forward scan and the last
            step of a reverse one.
    """

    reverse = False

    @abstractmethod
    def arrange(self, tokens: Tensor) -> Tensor:
        """Rearrange the grid of token numbers.

        Args:
            tokens (Tensor): (T, H, W) int64, 0 .. T*H*W-1 in raster order.

        Returns:
            Tensor: The same numbers in any shape; flattened, they are the
            scan order.
        """

    def permutation(self, grid: Grid) -> Tensor:
        """Return the scan order over `grid` = (T, H, W) as (T*H*W,) int64.

        Raises:
            ValueError: `arrange` does not visit every token exactly once.
        """
        tokens = torch.arange(grid[0] * grid[1] * grid[2])
        order = self.arrange(tokens.view(grid)).reshape(-1)
        # A compiler knows no numbers. Those of the configured grid have been
        # checked, and the C++ kernels check others.
        if torch.compiler.is_compiling():
            return order
        if not torch.equal(order.sort().values, tokens):
            raise ValueError(
                f'{type(self).__name__}.arrange must visit each of the '
                f'{len(tokens)} tokens of grid {tuple(grid)} exactly once; '
                f'it makes {len(order)} steps over {len(order.unique())} '
                'different tokens'
            )
        return order


@SCAN_ORDERS.register_module()
class SpatioTemporalForward(ScanOrder):
    """Frame after frame, each in raster order: the forward scan."""

    def arrange(self, tokens: Tensor) -> Tensor:
        return tokens


@SCAN_ORDERS.register_module()
class SpatioTemporalReversal(ScanOrder):
    """Frames and their tokens reversed, the paper's choice (table 2)."""

    reverse = True

    def arrange(self, tokens: Tensor) -> Tensor:
        return tokens.flip(0, 1, 2)


@SCAN_ORDERS.register_module()
class SpatialReversal(ScanOrder):
    """The tokens of each frame reversed, frames in forward order."""

    reverse = True

    def arrange(self, tokens: Tensor) -> Tensor:
        return tokens.flip(1, 2)


@SCAN_ORDERS.register_module()
class TemporalReversal(ScanOrder):
    """Frames in reverse order, each in raster order."""

    reverse = True

    def arrange(self, tokens: Tensor) -> Tensor:
        return tokens.flip(0)


@SCAN_ORDERS.register_module()
class TemporalFirstForward(ScanOrder):
    """Time fastest: each position through all frames, then the next one."""

    def arrange(self, tokens: Tensor) -> Tensor:
        return tokens.permute(1, 2, 0)


@SCAN_ORDERS.register_module()
class TemporalFirstReversal(TemporalFirstForward):
    """`TemporalFirstForward` in reverse."""

    reverse = True

    def arrange(self, tokens: Tensor) -> Tensor:
        return super().arrange(tokens).flip(0, 1, 2)


@SCAN_ORDERS.register_module()
class ZigzagForward(ScanOrder):
    """Every second row and every second frame reversed.

    Each step moves to a neighbour in the grid.
    """

    def arrange(self, tokens: Tensor) -> Tensor:
        tokens = tokens.clone()
        tokens[:, 1::2] = tokens[:, 1::2].flip(2)
        tokens[1::2] = tokens[1::2].flip(1, 2)
        return tokens


@SCAN_ORDERS.register_module()
class ZigzagReversal(ZigzagForward):
    """`ZigzagForward` in reverse."""

    reverse = True

    def arrange(self, tokens: Tensor) -> Tensor:
        return super().arrange(tokens).flip(0, 1, 2)


def build_scan_order(cfg: Union[dict, ScanOrder]) -> ScanOrder:
    """Build a scan order from `dict(type=NAME)`; an instance passes through.

    Raises:
        ValueError: The name is not registered.
    """
    if isinstance(cfg, ScanOrder):
        return cfg
    if not isinstance(cfg, dict) or 'type' not in cfg:
        raise ValueError(
            f"a scan order is dict(type='NAME') or a ScanOrder, got {cfg!r}"
        )
    if isinstance(cfg['type'], str) and SCAN_ORDERS.get(cfg['type']) is None:
        require_choice(
            'scan order', cfg['type'], sorted(SCAN_ORDERS.module_dict)
        )
    return SCAN_ORDERS.build(cfg)


def sequence_orders(
    scan_orders: Sequence[ScanOrder],
    grid: Grid,
    cls_token_position: Optional[str],
) -> Tensor:
    """Stack the scan orders of all directions over the token sequence.

    In memory the class token, if there is one, is token 0, and the patches
    follow in raster order, whatever its position in the scan.

    Args:
        scan_orders (Sequence[ScanOrder]): K directions.
        grid (tuple[int, int, int]): (T, H, W) of the patches.
        cls_token_position (str, optional): 'head', 'middle' or None.

    Returns:
        Tensor: (K, L) int64, L = T*H*W, plus 1 with a class token.
    """
    return torch.stack(
        [
            _with_class_token(order, grid, cls_token_position)
            for order in scan_orders
        ]
    )


def _with_class_token(
    order: ScanOrder, grid: Grid, position: Optional[str]
) -> Tensor:
    patches = order.permutation(grid)
    if position is None:
        return patches
    # Patches visited before the class token; a reverse scan mirrors them.
    before = {'head': 0, 'middle': len(patches) // 2}[position]
    if order.reverse:
        before = len(patches) - before
    patches = patches + 1
    return torch.cat(
        [patches[:before], patches.new_zeros(1), patches[before:]]
    )
