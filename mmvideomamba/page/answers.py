"""What is said and drawn of a clip."""

import math
import sys
from html import escape
from typing import Dict, Iterator, NamedTuple, Optional

from matplotlib.figure import Figure
from mmengine.model import BaseModel

from ..analysis.delta import delta_maps
from ..analysis.effective_context import context_size, token_influence
from ..apis import find_backbone, read_clip
from ..prediction import recognize_segments
from ..text import printable
from ..video import describe_error
from ..visualization import draw_time_line
from ..visualization.figure4_token_maps import draw_token_maps
from ..visualization.predictions import score_text
from .limits import check_length

BEST = 5  # classes
WINDOW = 2  # seconds of a part on the time line, at least
MOST_PARTS = 30


class Answer(NamedTuple):
    """What is in a clip.

    Attributes:
        scores (dict[str, float]): Class -> probability, the best ones first.
        time_line (Figure, optional): The best class of each part; of clips
            that are longer than two parts, and when all are recognised.
    """

    scores: Dict[str, float]
    time_line: Optional[Figure] = None


class Picture(NamedTuple):
    """What a model looks at in a clip.

    Attributes:
        caption (str): What is drawn.
        figure (Figure): Maps over the frames.
    """

    caption: str
    figure: Figure


def recognize_upload(model: BaseModel, path: str) -> Iterator[Answer]:
    """Recognise the whole clip, and then its parts if it is a long one.

    Args:
        model (BaseModel): Of `Models.load`.
        path (str): A video file, of anybody.

    Raises:
        ValueError: It cannot be read, or is too long.
    """
    check_length(path)
    (whole,) = recognize_segments(model, path)
    scores = dict(whole.scores[:BEST])
    yield Answer(scores)
    if whole.end < 2 * WINDOW:
        return
    window = max(WINDOW, math.ceil(whole.end / MOST_PARTS))
    best = [
        (start, end, *part[0])
        for start, end, part in recognize_segments(model, path, window)
    ]
    yield Answer(scores, draw_time_line(best, probabilities=True))


def draw_delta(model: BaseModel, path: str) -> Picture:
    """Delta over the first clip of the test pipeline.

    Raises:
        ValueError: The video cannot be read or is too long, or the model has
            no VideoMamba.
    """
    find_backbone(model)
    check_length(path)
    clip = read_clip(model, path)
    maps = delta_maps(model, clip.inputs)
    figure = draw_token_maps(
        clip.frames, maps, r'mean of $\Delta$ over channels and directions'
    )
    return Picture(
        'Where delta, the step size of the scan, is large, the model writes '
        'a token into its state; where it is small, the state passes by.',
        figure,
    )


def draw_effective_context(model: BaseModel, path: str) -> Picture:
    """What the feature depends on, over the first clip.

    Raises:
        ValueError: As `draw_delta` does.
    """
    backbone = find_backbone(model)
    check_length(path)
    clip = read_clip(model, path)
    tubelet = backbone.tokenizer.tubelet
    influence = token_influence(backbone, clip.inputs, tubelet)
    half, most = (context_size(influence, s).item() for s in (0.5, 0.9))
    figure = draw_token_maps(
        clip.frames,
        {'influence': influence[0].cpu().numpy()},
        'norm of the derivative of the feature by the pixels of a token',
    )
    return Picture(
        f'Half of what moves the feature is in {half:.0%} of the tokens, nine '
        f'tenths in {most:.0%}.',
        figure,
    )


def explain(error: Exception, path: Optional[str] = None) -> str:
    """A sentence for visitors: no path of this machine is in it.

    Args:
        error (Exception): An `OSError` or a `ValueError`.
        path (str, optional): The video, which the error may be about.
    """
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        # It may name a path.
        print(f'error: {printable(error)}', file=sys.stderr, flush=True)
        return 'Something is wrong here; the terminal of the page says what.'
    if path is not None and str(error).startswith(printable(path)):
        return f'This video cannot be used: {describe_error(path, error)}.'
    text = printable(error)
    if path is not None:
        text = text.replace(printable(path), 'this video')
    return f'{text[:1].upper()}{text[1:].rstrip(".")}.'


def show_scores(scores: Dict[str, float]) -> str:
    """HTML of classes and their probabilities, as bars."""
    return '\n'.join(
        f'<div class="score" style="--share: {score:.2%}">'
        f'<span>{escape(printable(name))}</span>'
        f'<span>{score_text(score).strip()}</span></div>'
        for name, score in scores.items()
    )
