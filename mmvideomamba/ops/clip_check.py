"""The operator with which a compiled model looks at the clips it is given.

AOTInductor compiles sizes, dtype and strides of the clips into a package and
compares none of them with what comes.
"""

from typing import List

import torch
from torch import Tensor, library


def _require_clips(frames: Tensor, sizes: List[int]) -> Tensor:
    """Clips, contiguous, of the sizes and the dtype of a model.

    Args:
        frames (Tensor): (N, T, H, W, 3) uint8.
        sizes (list[int]): T, H, W, 3.

    Returns:
        Tensor: A copy, as an operator returns none of its inputs.

    Raises:
        ValueError: Other sizes, or another dtype.
    """
    if list(frames.shape[1:]) != sizes or frames.dtype != torch.uint8:
        raise ValueError(
            f'expected clips of (N, {", ".join(map(str, sizes))}) uint8, got '
            f'{tuple(frames.shape)} {str(frames.dtype).split(".")[-1]}'
        )
    return frames.clone(memory_format=torch.contiguous_format)


require_clips = library.custom_op(
    'mmvideomamba::require_clips',
    _require_clips,
    mutates_args=(),
    device_types='cpu',
    schema='(Tensor frames, int[] sizes) -> Tensor',
)
require_clips.register_fake(_require_clips)
