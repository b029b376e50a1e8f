"""Predictions drawn on the frames of a video."""

from typing import (
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Union,
)

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TEXT = (255, 255, 255)
PANEL = (24, 24, 28)
BAR = (0, 114, 178)
TRUE_BAR = (0, 158, 115)
MIN_WIDTH = 320


class ClassScore(NamedTuple):
    """The score of one class.

    Attributes:
        name (str): Of the class, or 'class NUMBER'.
        score (float): A probability if the head averages probabilities.
    """

    name: str
    score: float


def class_name(label: int, classes: Optional[Sequence[str]]) -> str:
    """The name of a class, or 'class NUMBER' where it has none."""
    names = classes or ()
    return names[label] if label < len(names) else f'class {label}'


def top_scores(
    scores: Sequence[float],
    classes: Optional[Sequence[str]],
    k: Optional[int] = 5,
) -> List[ClassScore]:
    """The k best classes, the best first.

    Args:
        scores (Sequence[float]): One score per class.
        classes (Sequence[str], optional): Their names, see `class_name`.
        k (int, optional): How many; None for all.
    """
    best = np.argsort(-np.asarray(scores), kind='stable')[:k]
    return [
        ClassScore(class_name(label, classes), float(scores[label]))
        for label in best
    ]


def score_text(score: float, probabilities: bool = True) -> str:
    """A score as it is printed: a probability in per cent.

    Args:
        score (float): Of a class.
        probabilities (bool): Whether the model's scores are probabilities;
            logits are not, and stay as they are.
    """
    return f'{score:7.2%}' if probabilities else f'{score:7.2f}'


def annotate_frames(
    frames: Iterable[np.ndarray],
    scores: Sequence[ClassScore],
    truth: Union[str, Sequence[str], None] = None,
    probabilities: bool = True,
) -> Iterator[np.ndarray]:
    """Draw a panel with score bars beneath every frame.

    Args:
        frames (Iterable[np.ndarray]): (H, W, 3) uint8 RGB.
        scores (Sequence[ClassScore]): See `top_scores`.
        truth (str | Sequence[str], optional): The true class, or those of a
            video of several labels, maybe none; their bars are green. None:
            not known.
        probabilities (bool): Whether the scores are in [0, 1]; others get no
            bars.

    Yields:
        np.ndarray: (H', W', 3) uint8 RGB; small frames are enlarged to 320
        pixels of width so that the text stays readable.
    """
    panel = None
    for frame in frames:
        image = Image.fromarray(frame)
        if image.width < MIN_WIDTH:
            scale = MIN_WIDTH / image.width
            image = image.resize(
                (MIN_WIDTH, round(image.height * scale)),
                Image.Resampling.NEAREST,
            )
        if panel is None:
            truths = [truth] if isinstance(truth, str) else truth
            panel = _panel(image.width, scores, truths, probabilities)
        yield np.concatenate([np.array(image), panel])


def _panel(
    width: int,
    scores: Sequence[ClassScore],
    truths: Optional[Sequence[str]],
    probabilities: bool,
) -> np.ndarray:
    size = max(12, width // 32)
    font = ImageFont.load_default(size)
    row, margin = round(size * 1.6), size // 2
    title = [f'true class: {truth}' for truth in truths or ()]
    if truths is not None and not title:
        title = ['no true class']
    height = row * (len(title) + len(scores)) + margin
    panel = Image.new('RGB', (width, height + height % 2), PANEL)
    draw = ImageDraw.Draw(panel)
    for line in title:
        draw.text((margin, margin // 2), line, TEXT, font)
    for number, (name, score) in enumerate(scores, len(title)):
        top = number * row + margin // 2
        if probabilities:
            length = round((width - 2 * margin) * min(max(score, 0.0), 1.0))
            draw.rectangle(
                (margin, top, margin + length, top + row - 3),
                TRUE_BAR if name in (truths or ()) else BAR,
            )
        text = f'{score_text(score, probabilities)}  {name}'
        draw.text((margin + 3, top), text, TEXT, font)
    return np.array(panel)
