"""Recognise the actions in videos, or in the parts of long ones.

Takes files, folders, patterns and lists (.txt). With --window, a video is
recognised in parts of so many seconds. Videos that cannot be read are named,
and the exit status is then 1.

Example:
    mmvideomamba predict CONFIG.py CHECKPOINT.pth clips/ --out predictions
    mmvideomamba predict work_dirs/my_videos long.mp4 --window 2
"""

import argparse
import os
import sys
from collections import Counter
from typing import Any, Dict, Iterator, List, Optional

from ..datasets.annotations import read_class_names
from ..files import write_text
from ..models import predicts_probabilities
from ..prediction import (
    Segment,
    annotate_segments,
    find_inputs,
    recognize_segments,
    to_csv,
    to_json,
)
from ..video import read_video, write_video
from ..visualization import draw_time_line, save_figure
from ..visualization.predictions import score_text
from .arguments import (
    add_model_arguments,
    existing_file,
    is_weights,
    load_model,
    make_parser,
    one_line_errors,
)


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    add_model_arguments(parser)
    parser.add_argument(
        'videos', nargs='+', help='files, folders, patterns, lists'
    )
    parser.add_argument(
        '--window', type=float, metavar='S', help='seconds of a part'
    )
    parser.add_argument(
        '--stride',
        type=float,
        metavar='S',
        help='seconds from one part to the next (default: --window)',
    )
    parser.add_argument(
        '--out',
        help='write OUT.csv, the best classes, and OUT.json, all; of one '
        'video in parts also OUT.png and OUT.pdf, its time line',
    )
    parser.add_argument(
        '--annotate',
        metavar='FOLDER',
        help='write annotated videos to this folder',
    )
    parser.add_argument(
        '--labels',
        type=existing_file,
        help='text file with one class name a line, by default the classes '
        'that the config names',
    )
    args = parser.parse_args()
    given = args.checkpoint
    if given and not (os.path.isfile(args.config) or is_weights(given)):
        # A model with weights of its own is followed by videos.
        args.videos.insert(0, given)
        args.checkpoint = None
    return args


@one_line_errors()
def main() -> None:
    args = parse_args()
    if args.stride is not None and args.window is None:
        raise ValueError('--stride needs --window')
    videos = find_inputs(args.videos)
    annotated = name_annotated(videos, args.annotate)
    model = load_model(args)
    classes = None
    if args.labels:
        classes = read_class_names(args.labels, model.cls_head.num_classes)
    probabilities = predicts_probabilities(model)
    # A terminal without the letters of a name shows its numbers.
    stdout: Any = sys.stdout
    stdout.reconfigure(errors='backslashreplace')

    def predict(video: str) -> Iterator[Segment]:
        for segment in recognize_segments(
            model, video, args.window, args.stride, classes
        ):
            (name, score), *_ = segment.scores
            when = f'{segment.start:8.2f} -{segment.end:8.2f} s  '
            print(
                f'{score_text(score, probabilities)}  '
                f'{when if args.window else ""}{name}  {video}',
                flush=True,
            )
            yield segment

    predictions: Dict[str, List[Segment]] = {}
    for video in videos:
        try:
            segments = list(predict(video))
            if annotated:
                frames = annotate_segments(model, video, segments)
                write_video(annotated[video], frames, read_video(video)[1])
            predictions[video] = segments
        except (OSError, ValueError) as error:
            print(f'error: {error}', file=sys.stderr)
    if args.out and predictions:
        write_results(predictions, args.out, probabilities)
    if len(predictions) < len(videos):
        sys.exit(1)


def name_annotated(videos: List[str], folder: Optional[str]) -> Dict[str, str]:
    """Where the annotated videos go; empty without a folder.

    Raises:
        ValueError: Two of them would have one name.
    """
    if folder is None:
        return {}
    root = os.path.commonpath([os.path.dirname(v) or '.' for v in videos])
    names = {
        video: os.path.join(
            folder, f'{os.path.splitext(os.path.relpath(video, root))[0]}.mp4'
        )
        for video in videos
    }
    for name, count in Counter(names.values()).items():
        if count > 1:
            raise ValueError(
                f'{count} annotated videos would be called {name}'
            )
    return names


def write_results(
    predictions: Dict[str, List[Segment]], out: str, probabilities: bool
) -> None:
    """Write tables, and a picture where there is one video in parts."""
    write_text(f'{out}.csv', to_csv(predictions))
    write_text(f'{out}.json', to_json(predictions))
    first = next(iter(predictions.values()))
    if len(predictions) == 1 and len(first) > 1:
        best = [(start, end, *scores[0]) for start, end, scores in first]
        save_figure(draw_time_line(best, probabilities), out)
