"""RandAugment's operations on the frames of a clip, with PIL's results.

Each is one of three kinds, by what all the frames have in common: a table of
grey levels, a warp (see `clip_warps`), or nothing. Tables and warps that
follow each other become one. Single operations are within one grey level of
Pillow's `ImageOps`, `ImageEnhance` and `Image.transform`, which round after
each step.

Clips are changed in place: memory of their size takes longer to get than most
operations.
"""

from functools import partial
from itertools import groupby
from typing import Callable, Dict, List, NamedTuple, Sequence, Tuple

import cv2
import numpy as np

from .clip_warps import CUT, Step, warp

LEVELS = np.arange(256)
# Rec. 601's weights of red, green and blue in a grey level.
GREY = np.array([0.299, 0.587, 0.114])


class Operation(NamedTuple):
    """What RandAugment draws.

    Attributes:
        kind (str): 'table', 'warp' or 'frame'.
        function (Callable): Of a table, strength -> (256,) grey levels; of a
            warp, (strength, width, height) -> (2, 3) matrix from the places
            of the new frame to those of the old, where a pixel's centre is at
            0.5; of a frame, (frame, strength) -> None, changes it in place.
        strength (float): At full magnitude; it grows linearly.
        signed (bool): Whether a random sign is drawn.
    """

    kind: str
    function: Callable
    strength: float = 0
    signed: bool = False


def compose(
    operations: Sequence[Tuple[Operation, float]], width: int, height: int
) -> List[Callable[[np.ndarray], None]]:
    """What has to be done to a clip, in as few passes.

    Args:
        operations (Sequence[tuple[Operation, float]]): Operations with their
            strengths, the first to be applied first.
        width (int): Of the frames, in pixels.
        height (int): Of the frames.

    Returns:
        list[Callable]: To be called one after the other, each with the clip,
        a contiguous (T, H, W, 3) uint8 array, which it changes in place.
    """
    steps: List[Step] = []
    for kind, group in groupby(operations, lambda pair: pair[0].kind):
        pairs = list(group)
        if kind == 'table':
            table = LEVELS
            for operation, strength in pairs:
                table = operation.function(strength)[table]
            steps.append(Step(partial(_look_up, table=table)))
        elif kind == 'warp':
            matrices = [
                operation.function(strength, width, height)
                for operation, strength in pairs
            ]
            steps += warp(matrices, width, height)
        else:
            steps += [
                Step(partial(operation.function, strength=strength))
                for operation, strength in pairs
            ]
    passes: List[Callable[[np.ndarray], None]] = []
    for of_clip, same in groupby(steps, lambda step: step.of_clip):
        changes = [step.change for step in same]
        passes += changes if of_clip else [partial(_change_frames, changes)]
    return passes


def _change_frames(changes: Sequence[Callable], clip: np.ndarray) -> None:
    for frame in clip:
        for change in changes:
            change(frame)


def _look_up(frame: np.ndarray, table: np.ndarray) -> None:
    """Replace every level, by one table or by (256, 3), one a channel."""
    table = table.astype(np.uint8).reshape(1, 256, -1)
    cv2.LUT(frame, table, frame)


def _blend(start: object, end: np.ndarray, factor: float) -> np.ndarray:
    """From `start` at 0 to `end` at 1 and beyond, rounded as Pillow does."""
    return np.clip(start + factor * (end - start), 0, 255).astype(np.uint8)


def _auto_contrast(frame: np.ndarray, strength: float) -> None:
    # Whole rows first: numpy is slow on short ones.
    rows = frame.reshape(len(frame), -1)
    low = rows.min(0).reshape(-1, 3).min(0).astype(float)
    high = rows.max(0).reshape(-1, 3).max(0).astype(float)
    stretched = high > low
    scale = np.where(stretched, 255 / np.maximum(high - low, 1), 1)
    shift = np.where(stretched, CUT - scale * low, 0)
    cv2.transform(frame, np.column_stack([np.diag(scale), shift]), frame)


def _equalize(frame: np.ndarray, strength: float) -> None:
    histograms = [
        cv2.calcHist([frame], [channel], None, [256], [0, 256]).ravel()
        for channel in range(3)
    ]
    counts = np.stack(histograms, 1).astype(int)
    below = np.cumsum(counts, 0) - counts
    # The pixels below the highest level that there is, spread over 255 steps.
    step = np.where(counts > 0, below, 0).max(0) // 255
    table = (step // 2 + below) // np.maximum(step, 1)
    _look_up(
        frame, np.where(step > 0, np.minimum(table, 255), LEVELS[:, None])
    )


def _contrast(frame: np.ndarray, strength: float) -> None:
    mean = int(GREY @ cv2.mean(frame)[:3] + 0.5)
    _look_up(frame, _blend(mean, LEVELS, 1 + strength))


def _color(frame: np.ndarray, strength: float) -> None:
    mixed = (1 + strength) * np.eye(3) - strength * GREY
    cv2.transform(frame, np.insert(mixed, 3, CUT, 1), frame)


def _sharpness(frame: np.ndarray, strength: float) -> None:
    # Of what Pillow smoothes, 4 / 13 are the pixel, the rest is the mean of
    # nine. It leaves the border as it is.
    inner, mean = frame[1:-1, 1:-1], cv2.blur(frame, (3, 3))[1:-1, 1:-1]
    share = strength * 9 / 13
    cv2.addWeighted(inner, 1 + share, mean, -share, CUT, inner)


def _rotate(degrees: float, width: int, height: int) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, -sin], [sin, cos]])
    centre = np.array([width / 2, height / 2])
    return np.column_stack([turn, centre - turn @ centre])


def _solarize(strength: float) -> np.ndarray:
    is_dark = LEVELS + int(strength) < 256
    return np.where(is_dark, LEVELS, 255 - LEVELS)


def _solarize_add(strength: float) -> np.ndarray:
    added = np.minimum(LEVELS + round(strength), 255)
    return np.where(LEVELS < 128, added, LEVELS)


def _matrix(*rows: Sequence[float]) -> np.ndarray:
    return np.array(rows, float)


OPERATIONS: Dict[str, Operation] = {
    'AutoContrast': Operation('frame', _auto_contrast),
    'Equalize': Operation('frame', _equalize),
    'Invert': Operation('table', lambda _: 255 - LEVELS),
    'Rotate': Operation('warp', _rotate, 30, True),
    'Posterize': Operation(
        'table', lambda bits: LEVELS & -(1 << 4 + int(bits)), 3.99
    ),
    'Solarize': Operation('table', _solarize, 256),
    'SolarizeAdd': Operation('table', _solarize_add, 110),
    'Color': Operation('frame', _color, 0.9, True),
    'Contrast': Operation('frame', _contrast, 0.9, True),
    'Brightness': Operation(
        'table', lambda more: _blend(0, LEVELS, 1 + more), 0.9, True
    ),
    'Sharpness': Operation('frame', _sharpness, 0.9, True),
    'ShearX': Operation(
        'warp', lambda s, w, h: _matrix((1, s, 0), (0, 1, 0)), 0.3, True
    ),
    'ShearY': Operation(
        'warp', lambda s, w, h: _matrix((1, 0, 0), (s, 1, 0)), 0.3, True
    ),
    'TranslateX': Operation(
        'warp', lambda s, w, h: _matrix((1, 0, s * w), (0, 1, 0)), 0.45, True
    ),
    'TranslateY': Operation(
        'warp', lambda s, w, h: _matrix((1, 0, 0), (0, 1, s * h)), 0.45, True
    ),
}
