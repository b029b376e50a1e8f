"""Frames in another order: the paper's test of temporal consistency."""

from typing import List

import numpy as np
from mmcv.transforms import BaseTransform

from ...checks import require_choice
from ...registry import TRANSFORMS

FRAME_ORDERS = ('sequential', 'block-wise', 'pairwise', 'interleaved')


def frame_order(name: str, clip_len: int) -> List[int]:
    """The frames of a clip in the order called `name` (section 5.2).

    For 8 frames, counted from 1 as in the paper:

    - sequential: 1-2-3-4-5-6-7-8
    - block-wise: 5-6-7-8-1-2-3-4, the halves change places
    - pairwise: 1-2-7-8-5-6-3-4, the first pair stays, the others turn round
    - interleaved: 1-8-2-7-3-6-4-5, from both ends inwards

    Args:
        name (str): One of `FRAME_ORDERS`.
        clip_len (int): Number of frames; even, unless sequential.

    Returns:
        list[int]: Frame numbers from 0.
    """
    require_choice('frame order', name, FRAME_ORDERS)
    frames = list(range(clip_len))
    if name == 'sequential':
        return frames
    if clip_len % 2:
        raise ValueError(
            f'the {name} order needs an even number of frames, got {clip_len}'
        )
    half = clip_len // 2
    if name == 'block-wise':
        return frames[half:] + frames[:half]
    if name == 'interleaved':
        ends = zip(frames[:half], reversed(frames[half:]))
        return [frame for pair in ends for frame in pair]
    pairs = [frames[i : i + 2] for i in range(0, clip_len, 2)]
    return [frame for pair in pairs[:1] + pairs[:0:-1] for frame in pair]


@TRANSFORMS.register_module()
class ReorderFrames(BaseTransform):
    """Put the frames of every sampled clip in another order.

    Stands between sampling and decoding.

    Required keys: frame_inds, clip_len. Modified keys: frame_inds.

    Args:
        order (str): 'sequential', 'block-wise', 'pairwise' or 'interleaved',
            see `frame_order`.
    """

    def __init__(self, order: str = 'sequential') -> None:
        frame_order(order, 2)  # An unknown name fails here, not in a worker.
        self.order = order

    def transform(self, results: dict) -> dict:
        """Reorder `frame_inds`."""
        if 'imgs' in results:
            raise ValueError(
                'ReorderFrames must come before the frames are decoded, '
                'right after SampleFrames'
            )
        clips = np.reshape(results['frame_inds'], (-1, results['clip_len']))
        order = frame_order(self.order, results['clip_len'])
        results['frame_inds'] = clips[:, order].reshape(-1)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(order={self.order!r})'
