"""RandAugment for clips: one draw, every frame.

Cubuk et al. 2020 with the increasing strengths and the noisy magnitude that
video recipes use ("rand-m7-n4-mstd0.5-inc1"). An augmentation that changed
from frame to frame would invent motion, so operations, strengths and signs
are drawn once for a clip.
"""

from typing import Callable, Dict, Tuple

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageEnhance, ImageOps

from ...registry import TRANSFORMS

MAX_MAGNITUDE = 10
# ImageNet's mean colour fills what an operation uncovers.
FILL = (124, 116, 104)


def _affine(image: Image.Image, matrix: Tuple[float, ...]) -> Image.Image:
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        matrix,
        Image.Resampling.BILINEAR,
        fillcolor=FILL,
    )


def _rotate(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=FILL)


def _solarize_add(image: Image.Image, addition: float) -> Image.Image:
    table = [
        min(255, v + round(addition)) if v < 128 else v for v in range(256)
    ]
    return image.point(table * 3)


def _enhance(quality: str) -> Callable:
    enhancer = getattr(ImageEnhance, quality)
    return lambda image, more: enhancer(image).enhance(1 + more)


# Name -> (operation on an image and a strength, strength at full magnitude,
# whether a random sign is drawn). Strength grows linearly with magnitude.
OPERATIONS: Dict[str, Tuple[Callable, float, bool]] = {
    'AutoContrast': (lambda image, _: ImageOps.autocontrast(image), 0, False),
    'Equalize': (lambda image, _: ImageOps.equalize(image), 0, False),
    'Invert': (lambda image, _: ImageOps.invert(image), 0, False),
    'Rotate': (_rotate, 30.0, True),
    'Posterize': (
        lambda image, bits: ImageOps.posterize(image, 4 - int(bits)),
        3.99,
        False,
    ),
    'Solarize': (
        lambda image, less: ImageOps.solarize(image, 256 - int(less)),
        256,
        False,
    ),
    'SolarizeAdd': (_solarize_add, 110, False),
    'Color': (_enhance('Color'), 0.9, True),
    'Contrast': (_enhance('Contrast'), 0.9, True),
    'Brightness': (_enhance('Brightness'), 0.9, True),
    'Sharpness': (_enhance('Sharpness'), 0.9, True),
    'ShearX': (lambda i, s: _affine(i, (1, s, 0, 0, 1, 0)), 0.3, True),
    'ShearY': (lambda i, s: _affine(i, (1, 0, 0, s, 1, 0)), 0.3, True),
    'TranslateX': (
        lambda i, s: _affine(i, (1, 0, s * i.width, 0, 1, 0)),
        0.45,
        True,
    ),
    'TranslateY': (
        lambda i, s: _affine(i, (1, 0, 0, 0, 1, s * i.height)),
        0.45,
        True,
    ),
}


@TRANSFORMS.register_module()
class VideoRandAugment(BaseTransform):
    """Apply `n` random operations to a clip, the same to every frame.

    Required keys: imgs, (H, W, 3) uint8 RGB frames. Modified keys: imgs.

    Args:
        n (int): Operations drawn per clip, with repetition.
        magnitude (float): Strength, 0 to 10.
        magnitude_std (float): Standard deviation of a normal noise on the
            magnitude, drawn per operation.
        prob (float): Probability of applying each drawn operation.
    """

    def __init__(
        self,
        n: int = 4,
        magnitude: float = 7,
        magnitude_std: float = 0.5,
        prob: float = 0.5,
    ) -> None:
        if n < 0 or not 0 <= magnitude <= MAX_MAGNITUDE or magnitude_std < 0:
            raise ValueError(
                f'expected n >= 0, 0 <= magnitude <= {MAX_MAGNITUDE} and '
                f'magnitude_std >= 0, got n={n}, magnitude={magnitude}, '
                f'magnitude_std={magnitude_std}'
            )
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must lie in [0, 1], got {prob}')
        self.n = n
        self.magnitude = magnitude
        self.magnitude_std = magnitude_std
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Augment `imgs`."""
        operations = self._draw()
        if operations:
            results['imgs'] = [
                _apply(operations, frame) for frame in results['imgs']
            ]
        return results

    def _draw(self) -> list:
        """Draw [(operation, strength), ...] for one clip."""
        drawn = []
        for name in np.random.choice(list(OPERATIONS), self.n):
            operation, strength, signed = OPERATIONS[name]
            magnitude = np.random.normal(self.magnitude, self.magnitude_std)
            strength *= np.clip(magnitude, 0, MAX_MAGNITUDE) / MAX_MAGNITUDE
            if signed and np.random.rand() < 0.5:
                strength = -strength
            if np.random.rand() < self.prob:
                drawn.append((operation, float(strength)))
        return drawn

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(n={self.n}, magnitude={self.magnitude}, '
            f'magnitude_std={self.magnitude_std}, prob={self.prob})'
        )


def _apply(operations: list, frame: np.ndarray) -> np.ndarray:
    image = Image.fromarray(frame)
    for operation, strength in operations:
        image = operation(image, strength)
    return np.array(image)
