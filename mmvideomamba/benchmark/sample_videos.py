"""Videos as data sets have them, to measure pipelines on: moving textures."""

from pathlib import Path
from typing import Iterator, List, NamedTuple

import av
import cv2
import numpy as np

from ..files import atomic_write


class SampleVideo(NamedTuple):
    """A file of `SAMPLES`: its size and at most how many frames a keyframe."""

    width: int
    height: int
    keyframes: int

    @property
    def name(self) -> str:
        return f'{self.width}x{self.height}-keyframes{self.keyframes}.mp4'


FRAMES, RATE = 300, 30
SAMPLES = (
    SampleVideo(340, 256, 250),
    SampleVideo(340, 256, 32),
    SampleVideo(1280, 720, 250),
)


def write_samples(folder: Path) -> List[str]:
    """Write `SAMPLES` into a folder, but for those that are there.

    Ten seconds each, H.264 as libx264 writes it by default.

    Returns:
        list[str]: Their paths.
    """
    paths = [folder / sample.name for sample in SAMPLES]
    for sample, path in zip(SAMPLES, paths):
        if not path.exists():
            with atomic_write(path) as partial:
                _write(sample, partial)
    return [str(path) for path in paths]


def _write(sample: SampleVideo, path: str) -> None:
    with av.open(path, 'w') as container:
        stream = container.add_stream('libx264', rate=RATE)
        stream.width, stream.height = sample.width, sample.height
        stream.pix_fmt = 'yuv420p'
        stream.options = {'g': str(sample.keyframes)}
        for image in moving_textures(FRAMES, sample.width, sample.height):
            frame = av.VideoFrame.from_ndarray(image, 'rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def moving_textures(
    count: int, width: int, height: int
) -> Iterator[np.ndarray]:
    """Discs that move before a background that a camera turns and zooms to.

    Args:
        count (int): Frames.
        width (int): Of a frame, in pixels.
        height (int): Of a frame.

    Yields:
        np.ndarray: (H, W, 3) uint8, with a little noise.
    """
    rng = np.random.default_rng(0)
    background = _texture(rng, 2 * width, 2 * height)
    side = height // 3
    discs = [_texture(rng, side, side) for _ in range(4)]
    shape = np.zeros((side, side), np.uint8)
    cv2.circle(shape, (side // 2, side // 2), side // 2, 255, -1)
    starts = rng.uniform(0, 6, (4, 2))
    speeds = rng.uniform(0.02, 0.08, (4, 2))
    room = np.array([width - side, height - side])
    for time in range(count):
        camera = cv2.getRotationMatrix2D(
            (width, height), 5 * np.sin(time / 40), 1 + np.sin(time / 60) / 10
        )
        camera[:, 2] -= (
            width * (0.5 + np.sin(time / 50) / 4),
            height * (0.5 + np.sin(time / 70) / 4),
        )
        frame = cv2.warpAffine(background, camera, (width, height))
        for disc, start, speed in zip(discs, starts, speeds):
            x, y = (room * (0.5 + np.sin(start + speed * time) / 2)).astype(
                int
            )
            part = frame[y : y + side, x : x + side]
            part[shape > 0] = disc[shape > 0]
        noise = rng.integers(-3, 4, (height, width, 1))
        yield np.clip(frame + noise, 0, 255).astype(np.uint8)


def _texture(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8: details of every size, the larger stronger."""
    total = np.zeros((height, width, 3), np.float32)
    cells = 4
    while cells <= max(width, height):
        size = (cells * height // max(width, height) + 2, cells + 2, 3)
        layer = cv2.resize(
            rng.normal(size=size).astype(np.float32),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        total += np.float32(cells**-0.6) * layer
        cells *= 2
    total -= total.min()
    return (total * (255 / total.max())).astype(np.uint8)
