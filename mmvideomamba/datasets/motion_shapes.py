"""MotionShapes: a sample data set that only the order of frames tells apart.

A textured shape moves over a textured background. The eight classes are four
motions, each in both directions of time: played backwards, a video of one
class is a video of its partner. Shape, colours, textures, size, speed and
start position are drawn independently of the class; what leaves the picture
on one side comes in on the other, so that no place gives a class away.

With several labels, two shapes move in each video, in two ways.
"""

import os
from itertools import combinations
from typing import Dict, List, NamedTuple, Sequence, Tuple, Union

import cv2
import numpy as np

from ..progress import track
from ..video import write_video
from .annotations import Annotation, write_annotations

CLASSES = (
    'move_left',
    'move_right',
    'move_up',
    'move_down',
    'orbit_clockwise',
    'orbit_counterclockwise',
    'grow',
    'shrink',
)
SHAPES = ('circle', 'square', 'triangle', 'star')
TEXTURES = ('plain', 'stripes', 'checks', 'noise')
SPLITS = ('train', 'test')
# The labels of a video: one in one variant, any two in the other.
SINGLES = tuple((label,) for label in range(len(CLASSES)))
PAIRS = tuple(combinations(range(len(CLASSES)), 2))
# Colours of background and shape, per channel: every shape is the brighter.
BACKGROUND_RANGE = (0, 120)
SURFACE_RANGE = (130, 255)

# Label -> direction (x, y) with y downwards, sense of turning, of growing.
_LINEAR = {0: (-1, 0), 1: (1, 0), 2: (0, -1), 3: (0, 1)}
_ORBIT = {4: 1, 5: -1}
_SCALE = {6: 0.9, 7: -0.9}


class _Shape(NamedTuple):
    """A shape and how it moves.

    Attributes:
        label (int): Index into `CLASSES`.
        outline (np.ndarray): (P, 2) float corners, of radius 1.
        surface (np.ndarray): (size, size, 3) float colours.
        centre (np.ndarray): (2,) float, x and y in the middle of the clip.
        radius (float): In pixels, in the middle of the clip.
        tilt (float): Angle, in radians.
        speed (float): 1 on average.
        phase (float): Of an orbit, in radians.
        orbit (float): Its radius, in pixels.
    """

    label: int
    outline: np.ndarray
    surface: np.ndarray
    centre: np.ndarray
    radius: float
    tilt: float
    speed: float
    phase: float
    orbit: float

    def mask(self, progress: float, size: int) -> np.ndarray:
        """(size, size) float coverage, `progress` from -0.5 to 0.5."""
        progress = progress * self.speed
        offset, scale = np.zeros(2), 1.0
        if self.label in _LINEAR:
            offset = np.array(_LINEAR[self.label]) * progress * 0.6 * size
        elif self.label in _ORBIT:
            turn = _ORBIT[self.label] * progress * 1.5 * np.pi
            angle = self.phase + turn
            offset = np.array([np.cos(angle), np.sin(angle)]) * self.orbit
        else:
            scale = 1 + _SCALE[self.label] * progress
        where = (self.centre + offset) % size
        return _mask(self.outline, where, self.radius * scale, self.tilt, size)


def make_clip(
    labels: Union[int, Sequence[int]],
    rng: np.random.Generator,
    num_frames: int = 32,
    size: int = 96,
) -> np.ndarray:
    """Render one clip.

    Args:
        labels (int | Sequence[int]): Indices into `CLASSES`, a shape for
            each; two of them start apart, and the later covers the earlier.
        rng (np.random.Generator): Source of everything but the classes.
        num_frames (int): T.
        size (int): Height and width, in pixels.

    Returns:
        np.ndarray: (T, size, size, 3) uint8 RGB.
    """
    # Everything but the classes is drawn first, so that two classes drawn from
    # one seed differ in nothing but the motion.
    background = _texture(rng, size, *BACKGROUND_RANGE)
    shapes: List[_Shape] = []
    for label in np.atleast_1d(labels).tolist():
        shape = _draw_shape(label, rng, size)
        if shapes:
            # Half a picture away from the first, give or take a tenth.
            jitter = 0.2 * (shape.centre - size / 2)
            centre = shapes[0].centre + size / 2 + jitter
            shape = shape._replace(centre=centre)
        shapes.append(shape)

    frames = []
    # The middle of the motion lies in the middle of the clip: reversed in
    # time, a clip is exactly its partner's.
    for progress in np.linspace(-0.5, 0.5, num_frames):
        frame = background
        for shape in shapes:
            mask = shape.mask(progress, size)[..., None]
            frame = frame + (shape.surface - frame) * mask
        frames.append(frame)
    return np.stack(frames).round().astype(np.uint8)


def _draw_shape(label: int, rng: np.random.Generator, size: int) -> _Shape:
    return _Shape(
        label,
        outline=_outline(SHAPES[rng.integers(len(SHAPES))]),
        surface=_texture(rng, size, *SURFACE_RANGE),
        centre=rng.uniform(0, size, 2),
        radius=size * rng.uniform(0.14, 0.24),
        tilt=rng.uniform(0, 2 * np.pi),
        speed=rng.uniform(0.7, 1.3),
        phase=rng.uniform(0, 2 * np.pi),
        orbit=size * rng.uniform(0.18, 0.28),
    )


def _outline(shape: str) -> np.ndarray:
    """(P, 2) float corners of a shape of radius 1."""
    corners = {'circle': 40, 'square': 4, 'triangle': 3, 'star': 10}[shape]
    angle = np.arange(corners) * 2 * np.pi / corners
    radius = np.ones(corners)
    if shape == 'star':
        radius[1::2] = 0.45
    return np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]


def _mask(
    outline: np.ndarray,
    where: np.ndarray,
    radius: float,
    tilt: float,
    size: int,
) -> np.ndarray:
    """(size, size) float coverage of the shape, wrapping at the borders."""
    turn = np.array(
        [[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]]
    )
    corners = outline @ turn * radius + where
    mask = np.zeros((size, size), np.uint8)
    fraction_bits = 4
    for dx in (-size, 0, size):
        for dy in (-size, 0, size):
            points = (corners + (dx, dy)) * 2**fraction_bits
            cv2.fillPoly(
                mask,
                [points.round().astype(np.int32)],
                255,
                cv2.LINE_AA,
                fraction_bits,
            )
    return mask / 255


def _texture(
    rng: np.random.Generator, size: int, low: float, high: float
) -> np.ndarray:
    """(size, size, 3) float: two colours between low and high in a pattern."""
    colours = rng.uniform(low, high, (2, 3))
    kind = TEXTURES[rng.integers(len(TEXTURES))]
    period = size * rng.uniform(0.08, 0.2)
    angle = rng.uniform(0, np.pi)
    noise = rng.uniform(0, 1, (size, size))
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    along = (x * np.cos(angle) + y * np.sin(angle)) / period
    across = (y * np.cos(angle) - x * np.sin(angle)) / period
    weight = {
        'plain': np.zeros((size, size)),
        'stripes': along % 1 < 0.5,
        'checks': (along % 1 < 0.5) ^ (across % 1 < 0.5),
        'noise': cv2.GaussianBlur(noise, (0, 0), 2) * 4 - 1.5,
    }[kind]
    weight = np.clip(weight, 0, 1)[..., None]
    return colours[0] * (1 - weight) + colours[1] * weight


def names_of(labels: Tuple[int, ...]) -> str:
    """The names of classes, such as 'grow' or 'grow+shrink'."""
    return '+'.join(CLASSES[label] for label in labels)


def write_motion_shapes(
    root: str,
    num_train: int = 1200,
    num_test: int = 240,
    num_frames: int = 32,
    size: int = 96,
    seed: int = 0,
    multi_label: bool = False,
) -> None:
    """Write the data set in HMDB51's layout.

    Videos go to `root/videos/CLASS/SPLIT_NUMBER.mp4`, list files (`CLASS/FILE
    LABEL` a line) to `root/SPLIT_list.txt`. Videos that exist are kept, so the
    same call resumes one that was interrupted. With two labels, folders are
    called `CLASS+CLASS`.

    Args:
        root (str): Folder of the data set.
        num_train (int): Training videos, spread evenly over the classes.
        num_test (int): Test videos, likewise.
        num_frames (int): Frames of a video.
        size (int): Height and width, in pixels; even, at least 64.
        seed (int): One seed, one data set.
        multi_label (bool): Whether videos have two labels and two shapes.

    Raises:
        ValueError: A size that cannot be written.
    """
    # decord cannot read some videos narrower than 64 pixels.
    if size < 64 or size % 2 or num_frames < 2:
        raise ValueError(
            'size must be even and at least 64 and num_frames at least 2, '
            f'got size={size}, num_frames={num_frames}'
        )
    choices = PAIRS if multi_label else SINGLES
    lists: Dict[str, List[Annotation]] = {split: [] for split in SPLITS}
    videos = [(SPLITS[0], number) for number in range(num_train)]
    videos += [(SPLITS[1], number) for number in range(num_test)]
    for split, number in track(videos, len(videos)):
        labels = choices[number % len(choices)]
        name = f'{names_of(labels)}/{split}_{number:05d}.mp4'
        path = os.path.join(root, 'videos', name)
        if not os.path.exists(path):
            rng = np.random.default_rng((seed, SPLITS.index(split), number))
            write_video(path, make_clip(labels, rng, num_frames, size))
        lists[split].append(Annotation(name, labels))
    for split, annotations in lists.items():
        path = os.path.join(root, f'{split}_list.txt')
        write_annotations(path, annotations)
