"""Many videos, and long ones: what is in each, or in each part of it."""

import csv
import glob
import io
import json
import os
from itertools import groupby
from pathlib import Path
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
)

import numpy as np
from mmengine.dataset import Compose
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope

from .apis import recognize, score_views
from .datasets.annotations import read_annotations
from .datasets.pipelines import find_dataset, split_at_decoding
from .datasets.video_inputs import make_sample
from .models import predicts_probabilities
from .video import (
    frame_times,
    naming_errors,
    open_container,
    read_video,
)
from .video_files import find_videos
from .visualization.predictions import ClassScore, annotate_frames


class Segment(NamedTuple):
    """A part of a video and what is in it.

    Attributes:
        start (float): In seconds; 0 where the whole video is one segment.
        end (float): In seconds, the end of its last frame.
        scores (list[ClassScore]): Of every class, the best first.
    """

    start: float
    end: float
    scores: List[ClassScore]


def find_inputs(inputs: Iterable[str]) -> List[str]:
    """The videos that are meant.

    Args:
        inputs (Iterable[str]): Files, folders with everything below them,
            patterns such as 'clips/*.mp4', and lists, .txt files whose videos
            count from the folder of the list.

    Raises:
        FileNotFoundError: One of them gives no video.
        ValueError: A list does not parse.
    """
    found: List[str] = []
    for name in inputs:
        path = Path(name)
        if path.is_dir():
            videos = list(map(str, find_videos(path)))
        elif path.is_file() and path.suffix == '.txt':
            lines = read_annotations(name, needs_labels=False)
            videos = [str(path.parent / video) for video, _ in lines]
        elif path.is_file():
            videos = [name]
        else:
            videos = sorted(filter(os.path.isfile, glob.glob(name)))
        if not videos:
            raise FileNotFoundError(
                f'{name}: expected a video, a folder or pattern of videos, or '
                'a list of them, found none'
            )
        found += videos
    return list(dict.fromkeys(found))


def recognize_segments(
    model: BaseModel,
    video: str,
    window: Optional[float] = None,
    stride: Optional[float] = None,
    classes: Optional[Sequence[str]] = None,
) -> Iterator[Segment]:
    """Recognise the actions in the parts of a video, one after another.

    Each part goes through the test pipeline as if it were a video of its own;
    the file is opened once, and memory does not grow with its length.

    Args:
        model (BaseModel): A model of `apis.init_model`.
        video (str): A video file.
        window (float, optional): Seconds of a part; the last one ends with
            the video. None: the whole video, by `apis.recognize`.
        stride (float, optional): Seconds from one part to the next; None: as
            `window`.
        classes (Sequence[str], optional): Names of the classes.

    Raises:
        ValueError: The video cannot be read, `window` or `stride` is not
            positive, or the pipeline does not begin by opening a video.
    """
    with naming_errors(video), open_container(video) as container:
        times = np.array(frame_times(container))
    times -= times[0]
    frame = times[-1] / max(1, len(times) - 1)
    end = float(times[-1] + frame)
    if window is None:
        yield Segment(0.0, end, recognize(model, video, classes))
        return
    stride = window if stride is None else stride
    if window <= 0 or stride <= 0:
        raise ValueError(
            f'expected a window and a stride above 0 s, got {window} and '
            f'{stride}'
        )
    init_default_scope(model.cfg.get('default_scope', 'mmaction'))
    dataset = find_dataset(model.cfg, 'test_dataloader')
    before, decode, after = split_at_decoding(dataset.pipeline)
    if not before or not str(before[0]['type']).endswith('Init'):
        raise ValueError(
            'expected a test pipeline that begins by opening a video, such as '
            f'with DecordInit, got {dataset.pipeline[0]["type"]}'
        )
    open_file, read = (
        Compose(before[:1]),
        Compose([*before[1:], decode, *after]),
    )
    with naming_errors(video):
        opened = open_file(make_sample(dataset, video))
    for start in _starts(end, window, stride, frame):
        first, last = np.searchsorted(times, [start, start + window])
        # A window between two frames has the one before it.
        first = min(first, len(times) - 1)
        part = dict(
            opened,
            start_index=int(first),
            total_frames=int(max(1, last - first)),
        )
        with naming_errors(video):
            data = read(part)
        yield Segment(
            start,
            min(start + window, end),
            score_views(model, data, classes),
        )


def _starts(
    end: float, window: float, stride: float, frame: float
) -> List[float]:
    """Where the windows begin; the last ends with the video, or nearly."""
    last = max(0.0, end - window)
    count = int(last // stride) + 1
    starts = [number * stride for number in range(count)]
    return starts if last - starts[-1] <= frame else [*starts, last]


def annotate_segments(
    model: BaseModel, video: str, segments: Sequence[Segment]
) -> Iterator[np.ndarray]:
    """Draw on each frame what is in the segment that began last.

    Args:
        model (BaseModel): That made the scores.
        video (str): A video file.
        segments (Sequence[Segment]): Of `recognize_segments`.

    Yields:
        np.ndarray: See `annotate_frames`.
    """
    probabilities = predicts_probabilities(model)
    with open_container(video) as container:
        times = np.array(frame_times(container))
    starts = [segment.start for segment in segments]
    numbers = np.searchsorted(starts, times - times[0], side='right') - 1
    frames, _ = read_video(video)
    parts = groupby(zip(numbers, frames), key=lambda pair: pair[0])
    for number, pairs in parts:
        yield from annotate_frames(
            (frame for _, frame in pairs),
            segments[number].scores[:5],
            probabilities=probabilities,
        )


def to_csv(predictions: Mapping[str, Sequence[Segment]]) -> str:
    """A line for each segment: video, start, end, best class, score."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['video', 'start', 'end', 'class', 'score'])
    for video, segments in predictions.items():
        for start, end, scores in segments:
            name, score = scores[0]
            row = [f'{start:.2f}', f'{end:.2f}', name, f'{score:.4f}']
            writer.writerow([video, *row])
    return text.getvalue()


def to_json(predictions: Mapping[str, Sequence[Segment]]) -> str:
    """All classes of all segments."""
    content: List[Dict[str, Any]] = [
        dict(
            video=video,
            segments=[
                dict(start=start, end=end, scores=dict(scores))
                for start, end, scores in segments
            ],
        )
        for video, segments in predictions.items()
    ]
    return json.dumps(content, ensure_ascii=False, indent=1) + '\n'
