"""The frames of a clip, decoded and scaled one by one."""

from typing import Optional, Tuple

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from ...video import read_frames


@TRANSFORMS.register_module()
class ClipDecode(BaseTransform):
    """Decode the frames of a clip, and scale each as soon as it is decoded.

    Gives what mmaction2's `DecordDecode` and `Resize` give, to the bit, with
    one frame of the video's size in memory instead of all.

    Required keys: video_reader (of `DecordInit`), frame_inds. Modified keys:
    video_reader, None from here on. Added keys: imgs, one (T, H, W, 3) uint8
    array, RGB; original_shape and img_shape, (height, width).

    Args:
        scale (tuple[int, int], optional): The frames are scaled to fit into
            it, the larger number for the long side; (-1, S) gives the short
            side S pixels. By default they keep their size.

    Raises:
        ValueError: `scale` is no such pair.
    """

    def __init__(self, scale: Optional[Tuple[int, int]] = None) -> None:
        is_pair = isinstance(scale, (tuple, list)) and len(scale) == 2
        if scale is not None and not (
            is_pair and max(scale) > 0 and (min(scale) > 0 or -1 in scale)
        ):
            raise ValueError(
                'expected a scale of two positive numbers, or of -1 and the '
                f'short side, such as (-1, 256), got {scale!r}'
            )
        self.scale = scale

    def transform(self, results: dict) -> dict:
        """Decode the frames `frame_inds`."""
        results['frame_inds'] = np.ravel(results['frame_inds'])

        def scaled(frame: np.ndarray) -> np.ndarray:
            results['original_shape'] = frame.shape[:2]
            return self._scaled(frame)

        numbers = results['frame_inds'].tolist()
        clip = read_frames(results['video_reader'], numbers, scaled)
        results.update(imgs=clip, img_shape=clip.shape[1:3], video_reader=None)
        return results

    def _scaled(self, frame: np.ndarray) -> np.ndarray:
        if self.scale is None:
            return frame
        width_height = frame.shape[1::-1]
        bounds = tuple(np.inf if side < 0 else side for side in self.scale)
        size = mmcv.rescale_size(width_height, bounds)
        return frame if size == width_height else mmcv.imresize(frame, size)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(scale={self.scale})'
