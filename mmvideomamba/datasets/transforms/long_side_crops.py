"""Three squares along the long side, as OpenGVLab tests its checkpoints."""

import mmcv
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS


@TRANSFORMS.register_module()
class LongSideThreeCrop(BaseTransform):
    """Resize the short side to `size` and cut three squares.

    The long side becomes floor(size long / short); crop j = 0, 1, 2 begins at
    floor(j (long - size) / 2) of it. mmaction2's `Resize` and `ThreeCrop`
    round otherwise and are up to one pixel off.

    Required keys: imgs. Modified keys: imgs, crop by crop. Added keys:
    img_shape.

    Args:
        size (int): Height and width of a crop, in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def transform(self, results: dict) -> dict:
        """Replace the frames by those of three crops."""
        height, width = results['imgs'][0].shape[:2]
        short = min(height, width)
        # In integers: floor is of the exact quotient.
        new_h, new_w = (self.size * side // short for side in (height, width))
        resized = [
            mmcv.imresize(image, (new_w, new_h), interpolation='bilinear')
            for image in results['imgs']
        ]
        crops = []
        for j in range(3):
            y, x = j * (new_h - self.size) // 2, j * (new_w - self.size) // 2
            crops += [
                image[y : y + self.size, x : x + self.size]
                for image in resized
            ]
        results['imgs'] = crops
        results['img_shape'] = (self.size, self.size)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'
