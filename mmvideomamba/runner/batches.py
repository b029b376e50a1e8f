"""What a batch of training consists of."""

from typing import Any


def count_clips(data_batch: Any) -> int:
    """Clips of a batch that a loader gave.

    Args:
        data_batch: A dict with `inputs`, as mmaction2's recognizers take it.

    Returns:
        int: At least 1; where nothing can be counted, 1.
    """
    inputs: Any = None
    if isinstance(data_batch, dict):
        inputs = data_batch.get('inputs')
    return max(len(inputs), 1) if hasattr(inputs, '__len__') else 1
