"""RandAugment as mmaction2's users have it: Pillow, frame by frame.

The baseline of `VideoRandAugment`, and what its operations are held to.
"""

from typing import Callable, Dict

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from ..datasets.transforms.clip_operations import OPERATIONS
from ..datasets.transforms.clip_warps import FILL
from ..datasets.transforms.video_rand_augment import VideoRandAugment


def _affine(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        matrix,
        Image.Resampling.BILINEAR,
        fillcolor=FILL,
    )


def _solarize_add(image: Image.Image, addition: float) -> Image.Image:
    table = [
        min(255, v + round(addition)) if v < 128 else v for v in range(256)
    ]
    return image.point(table * 3)


# Name, as in `OPERATIONS` -> operation on an image and a strength.
PILLOW: Dict[str, Callable[[Image.Image, float], Image.Image]] = {
    'AutoContrast': lambda i, s: ImageOps.autocontrast(i),
    'Equalize': lambda i, s: ImageOps.equalize(i),
    'Invert': lambda i, s: ImageOps.invert(i),
    'Rotate': lambda i, s: i.rotate(
        s, Image.Resampling.BILINEAR, fillcolor=FILL
    ),
    'Posterize': lambda i, s: ImageOps.posterize(i, 4 - int(s)),
    'Solarize': lambda i, s: ImageOps.solarize(i, 256 - int(s)),
    'SolarizeAdd': _solarize_add,
    'Color': lambda i, s: ImageEnhance.Color(i).enhance(1 + s),
    'Contrast': lambda i, s: ImageEnhance.Contrast(i).enhance(1 + s),
    'Brightness': lambda i, s: ImageEnhance.Brightness(i).enhance(1 + s),
    'Sharpness': lambda i, s: ImageEnhance.Sharpness(i).enhance(1 + s),
    'ShearX': lambda i, s: _affine(i, 1, s, 0, 0, 1, 0),
    'ShearY': lambda i, s: _affine(i, 1, 0, 0, s, 1, 0),
    'TranslateX': lambda i, s: _affine(i, 1, 0, s * i.width, 0, 1, 0),
    'TranslateY': lambda i, s: _affine(i, 1, 0, 0, 0, 1, s * i.height),
}
_NAMES = {operation: name for name, operation in OPERATIONS.items()}


class PillowRandAugment(VideoRandAugment):
    """`VideoRandAugment` with the same draws, by Pillow."""

    def transform(self, results: dict) -> dict:
        """Augment `imgs`."""
        operations = self._draw()
        frames = []
        for frame in results['imgs']:
            image = Image.fromarray(frame)
            for operation, strength in operations:
                image = PILLOW[_NAMES[operation]](image, strength)
            frames.append(np.array(image))
        results['imgs'] = frames
        return results
