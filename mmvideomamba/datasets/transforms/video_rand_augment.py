"""RandAugment for clips: one draw, every frame.

Cubuk et al. 2020 with the increasing strengths and the noisy magnitude that
video recipes use ("rand-m7-n4-mstd0.5-inc1"). An augmentation that changed
from frame to frame would invent motion, so operations, strengths and signs
are drawn once for a clip.
"""

from typing import List, Tuple

import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from .clip_operations import OPERATIONS, Operation, compose

MAX_MAGNITUDE = 10


@TRANSFORMS.register_module()
class VideoRandAugment(BaseTransform):
    """Apply `n` random operations to a clip, the same to every frame.

    Required keys: imgs, (H, W, 3) uint8 RGB frames of one size, in a list or
    an array, which is changed in place. Modified keys: imgs, a (T, H, W, 3)
    array.

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
            height, width = results['imgs'][0].shape[:2]
            clip = results['imgs'] = np.ascontiguousarray(results['imgs'])
            for change in compose(operations, width, height):
                change(clip)
        return results

    def _draw(self) -> List[Tuple[Operation, float]]:
        """Draw operations and their strengths for one clip."""
        drawn = []
        for name in np.random.choice(list(OPERATIONS), self.n):
            operation = OPERATIONS[name]
            magnitude = np.random.normal(self.magnitude, self.magnitude_std)
            share = np.clip(magnitude, 0, MAX_MAGNITUDE) / MAX_MAGNITUDE
            strength = operation.strength * float(share)
            if operation.signed and np.random.rand() < 0.5:
                strength = -strength
            if np.random.rand() < self.prob:
                drawn.append((operation, strength))
        return drawn

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(n={self.n}, magnitude={self.magnitude}, '
            f'magnitude_std={self.magnitude_std}, prob={self.prob})'
        )
