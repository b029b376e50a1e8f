"""Libraries that decode videos, on the same frames."""

import time
from importlib.util import find_spec
from statistics import median
from typing import Any, Callable, Dict, List, Sequence

import cv2
import numpy as np

from ..tables import markdown_table
from ..video import open_container, open_video
from ..video.frame_index import decode_frames, index_frames
from .pipeline_stages import Pipeline


def _ours(path: str, numbers: Sequence[int]) -> np.ndarray:
    return open_video(path).get_batch(numbers).asnumpy()


def _pyav(path: str, numbers: Sequence[int], convert: bool = True) -> Any:
    """Every frame from the keyframe before the first on."""
    images, wanted = [], set(numbers)
    with open_container(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        step = round(1 / (stream.average_rate * stream.time_base))
        container.seek(min(wanted) * step, stream=stream)
        for frame in container.decode(stream):
            if convert and frame.pts // step in wanted:
                images.append(frame.to_ndarray(format='rgb24'))
            if frame.pts // step >= max(wanted):
                break
    return np.stack(images) if convert else None


def _pyav_alone(path: str, numbers: Sequence[int]) -> None:
    _pyav(path, numbers, convert=False)


def _needed_alone(path: str, numbers: Sequence[int]) -> None:
    """What the wanted frames refer to, where an index says it."""
    with open_container(path) as container:
        container.streams.video[0].codec_context.thread_count = 1
        index = index_frames(container)
        if index is not None:
            for _ in decode_frames(container, index, numbers):
                pass
    if index is None:
        _pyav_alone(path, numbers)


def _decord(path: str, numbers: Sequence[int]) -> np.ndarray:
    import decord

    reader = decord.VideoReader(path, num_threads=1)
    return reader.get_batch(numbers).asnumpy()


def _opencv(path: str, numbers: Sequence[int]) -> np.ndarray:
    capture = cv2.VideoCapture(
        path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]
    )
    capture.set(cv2.CAP_PROP_POS_FRAMES, min(numbers))
    images, wanted = [], set(numbers)
    for number in range(min(numbers), max(numbers) + 1):
        capture.grab()
        if number in wanted:
            image = capture.retrieve()[1]
            images.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    return np.stack(images)


def _torchcodec(path: str, numbers: Sequence[int]) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order='NHWC', num_ffmpeg_threads=1)
    return decoder.get_frames_at(list(numbers)).data.numpy()


# Name -> (module that it needs, what decodes frames of a video of one rate).
DECODERS: Dict[str, tuple] = {
    'open_video': ('av', _ours),
    'needed frames, nothing converted': ('av', _needed_alone),
    'PyAV': ('av', _pyav),
    'PyAV, nothing converted': ('av', _pyav_alone),
    'decord': ('decord', _decord),
    'OpenCV': ('cv2', _opencv),
    'torchcodec': ('torchcodec', _torchcodec),
}


def compare_decoders(
    pipelines: Dict[str, Pipeline], videos: Sequence[str], rounds: int
) -> str:
    """CPU milliseconds of a clip with each decoder that is installed.

    Args:
        pipelines (dict[str, Pipeline]): Whose samplers choose the frames.
        videos (Sequence[str]): Their paths; of one frame rate each.
        rounds (int): Clips of each, the same for all decoders.

    Returns:
        str: A Markdown table of medians.
    """
    installed = {
        name: decode
        for name, (module, decode) in DECODERS.items()
        if find_spec(module)
    }
    rows = []
    for name, pipeline in pipelines.items():
        for video in videos:
            times: Dict[str, List[float]] = {n: [] for n in installed}
            for number in range(rounds):
                frames = pipeline.sample_frames(video, number)
                for decoder, decode in installed.items():
                    times[decoder].append(_cpu_seconds(decode, video, frames))
            row = [f'{1e3 * median(t):.1f}' for t in times.values()]
            rows.append((f'{name}, {video.rpartition("/")[2]}', *row))
    return markdown_table(('frames of', *installed), rows)


def _cpu_seconds(decode: Callable, *arguments: Any) -> float:
    start = time.process_time()
    decode(*arguments)
    return time.process_time() - start
