"""Which blocks of a model to look at."""

from typing import List, Optional, Sequence


def resolve_blocks(
    blocks: Optional[Sequence[int]], num_blocks: int
) -> Sequence[int]:
    """The numbers of blocks, counted from 0.

    Args:
        blocks (Sequence[int], optional): Numbers, negative ones from the
            last. None: all.
        num_blocks (int): How many the model has.

    Raises:
        ValueError: No such block.
    """
    if blocks is None:
        return range(num_blocks)
    for block in blocks:
        if not -num_blocks <= block < num_blocks:
            raise ValueError(
                f'the model has {num_blocks} blocks, there is no block {block}'
            )
    return [block % num_blocks for block in blocks]


def spread_blocks(num_blocks: int) -> List[int]:
    """The numbers of four blocks from the first to the last, or of all."""
    return sorted({round((num_blocks - 1) * i / 3) for i in range(4)})
