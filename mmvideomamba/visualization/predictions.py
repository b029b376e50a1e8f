"""Predictions drawn on the frames of a video."""

from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np
from PIL import Image, ImageDraw

from .fonts import load_font

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


def annotate_frames(
    frames: Iterable[np.ndarray],
    scores: Sequence[ClassScore],
    truth: Optional[str] = None,
) -> Iterator[np.ndarray]:
    """Draw a panel with score bars beneath every frame.

    Args:
        frames (Iterable[np.ndarray]): (H, W, 3) uint8 RGB.
        scores (Sequence[ClassScore]): Scores in [0, 1], see `top_scores`.
        truth (str, optional): The true class; its bar is green.

    Yields:
        np.ndarray: (H', W', 3) uint8 RGB; small frames are enlarged to 320
        pixels of width so that the text stays readable.

    Warns:
        UserWarning: No font has some characters of a name, see `load_font`.
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
            panel = _panel(image.width, scores, truth)
        yield np.concatenate([np.array(image), panel])


def _panel(
    width: int, scores: Sequence[ClassScore], truth: Optional[str]
) -> np.ndarray:
    size = max(12, width // 32)
    row, margin = round(size * 1.6), size // 2
    title = [] if truth is None else [('true class: ', truth)]
    height = row * (len(title) + len(scores)) + margin
    panel = Image.new('RGB', (width, height + height % 2), PANEL)
    draw = ImageDraw.Draw(panel)
    for line in title:
        _write(draw, margin, margin // 2, line, size)
    for number, (name, score) in enumerate(scores, len(title)):
        top = number * row + margin // 2
        length = round((width - 2 * margin) * min(max(score, 0.0), 1.0))
        draw.rectangle(
            (margin, top, margin + length, top + row - 3),
            TRUE_BAR if name == truth else BAR,
        )
        _write(draw, margin + 3, top, (f'{score:6.1%}  ', name), size)
    return np.array(panel)


def _write(
    draw: ImageDraw.ImageDraw,
    left: float,
    top: int,
    texts: Sequence[str],
    size: int,
) -> None:
    """Write texts after one another, each in a font that has it."""
    for text in texts:
        font = load_font(text, size)
        draw.text((left, top), text, TEXT, font)
        left += font.getlength(text)
