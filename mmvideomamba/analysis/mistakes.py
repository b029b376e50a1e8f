"""What a recognizer gets wrong: by class, and by video."""

import copy
from typing import Any, List, NamedTuple, Sequence

import numpy as np
import torch
from mmaction.evaluation import ConfusionMatrix
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from torch import Tensor

from ..checkpoints.plain_results import read_results
from ..datasets.pipelines import find_class_names, find_dataset, find_paths
from ..files import write_text
from ..registry import DATASETS
from ..tables import markdown_table
from ..text import printable
from ..visualization import draw_confusion, save_figure
from .evaluation import evaluate


class Classified(NamedTuple):
    """A test set and the scores of its videos.

    Attributes:
        classes (list[str]): Names of the C classes.
        videos (list[str]): Paths of the N videos.
        labels (np.ndarray): (N,) int, the right classes.
        scores (np.ndarray): (N, C) float.
    """

    classes: List[str]
    videos: List[str]
    labels: np.ndarray
    scores: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """(N,) int, the classes of the best scores."""
        return self.scores.argmax(1)


class Mistake(NamedTuple):
    """A video that was taken for one of another class."""

    video: str
    label: str
    label_score: float
    predicted: str
    predicted_score: float


def classify_test_set(model: BaseModel, config: Config) -> Classified:
    """Run a recognizer over the test set of a config.

    Args:
        model (BaseModel): A model of `apis.init_model`.
        config (Config): Its `test_dataloader` is used.

    Raises:
        ValueError: There is no test set, or its videos have no label or
            several.
    """
    config = copy.deepcopy(config)
    config.test_evaluator = dict(type=_KeepScores)
    results = evaluate(model, config)
    return make_classified(config, results['labels'], results['scores'])


def read_classified(path: str, config: Config) -> Classified:
    """Read what test.py --dump wrote of the test set of a config.

    Args:
        path (str): The .pkl file, which is read as data.
        config (Config): Its `test_dataloader` names the videos.

    Raises:
        OSError, ValueError: As `read_results` and `make_classified` do, or
            the file has no scores and labels.
    """
    results = read_results(path)
    scores: List[Any] = [result.get('pred_score') for result in results]
    labels: List[Any] = [result.get('gt_label') for result in results]
    if (
        not all(isinstance(value, Tensor) for value in (*scores, *labels))
        or len({score.shape for score in scores}) != 1
    ):
        raise ValueError(
            f'{path}: expected pred_score and gt_label of each sample, and '
            'as many scores everywhere'
        )
    return make_classified(
        config,
        np.stack([np.squeeze(label.numpy()) for label in labels]),
        torch.stack(scores).float().numpy(),
    )


def make_classified(
    config: Config, labels: np.ndarray, scores: np.ndarray
) -> Classified:
    """The test set of a config, with labels and scores in its order.

    Raises:
        ValueError: They are not those of the test set, or its videos have no
            label or several.
    """
    find_dataset(config, 'test_dataloader')
    init_default_scope(config.get('default_scope', 'mmaction'))
    dataset: BaseDataset = DATASETS.build(
        copy.deepcopy(config.test_dataloader.dataset)
    )
    videos = find_paths(dataset) or []
    if np.ndim(labels) != 1 or len(videos) != len(labels) or min(labels) < 0:
        raise ValueError(
            f'expected one label for each of the {len(videos)} videos of the '
            f'test set, got labels of shape {np.shape(labels)}'
        )
    for number, (video, label) in enumerate(zip(videos, labels)):
        expected = dataset.get_data_info(number)['label']
        if label != expected:
            raise ValueError(
                f'expected label {expected} for {printable(video)}, got '
                f'{label}: the scores are of another list'
            )
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise ValueError(
            'expected one finite score for each class of a video, got scores '
            f'of shape {scores.shape}'
        )
    count = scores.shape[1]
    names = find_class_names(config.test_dataloader.dataset)
    classes = names or [f'class {number}' for number in range(count)]
    if len(classes) != count or max(labels) >= count:
        raise ValueError(
            f'expected a score for each of the {len(classes)} classes and '
            f'for label {max(labels)}, got {count} scores'
        )
    return Classified(classes, videos, np.asarray(labels), scores)


class _KeepScores(BaseMetric):
    """Hands out what the model said of every video."""

    default_prefix = ''

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        self.results += [
            (
                np.squeeze(sample['gt_label'].cpu().numpy()),
                sample['pred_score'].cpu().numpy(),
            )
            for sample in data_samples
        ]

    def compute_metrics(self, results: list) -> dict:
        labels, scores = zip(*results)
        return dict(labels=np.stack(labels), scores=np.stack(scores))


def confusion_matrix(classified: Classified) -> np.ndarray:
    """(C, C) int: how many videos of each class (row) are taken for which."""
    return ConfusionMatrix.calculate(
        classified.predicted, classified.labels, len(classified.classes)
    ).numpy()


def find_mistakes(classified: Classified) -> List[Mistake]:
    """The videos of other classes than predicted, the surest mistake first."""
    mistakes = []
    for video, label, predicted, scores in zip(
        classified.videos,
        classified.labels,
        classified.predicted,
        classified.scores,
    ):
        if predicted != label:
            mistakes.append(
                Mistake(
                    video,
                    classified.classes[label],
                    scores[label].item(),
                    classified.classes[predicted],
                    scores[predicted].item(),
                )
            )
    return sorted(mistakes, key=lambda m: m.label_score - m.predicted_score)


def class_table(classified: Classified) -> str:
    """A table of the classes, the worst first.

    Accuracies are recalls: the share of the videos of a class that are
    recognised.
    """
    matrix = confusion_matrix(classified)
    rows = []
    for number, name in enumerate(classified.classes):
        row = matrix[number]
        if not row.sum():
            continue
        others = np.where(np.arange(len(row)) == number, 0, row)
        taken_for = '-'
        if others.any():
            worst = others.argmax()
            taken_for = f'{classified.classes[worst]} ({others[worst]})'
        share = 100 * row[number] / row.sum()
        rows.append((share, (name, row.sum(), f'{share:.1f}', taken_for)))
    rows.sort(key=lambda row: row[0])
    header = ('class', 'videos', 'accuracy %', 'most often taken for')
    return markdown_table(header, [cells for _, cells in rows])


def mistake_table(mistakes: Sequence[Mistake]) -> str:
    """A table of mistakes, with the scores of both classes in %."""
    return markdown_table(
        ('video', 'is', '%', 'taken for', '%'),
        [
            (
                m.video,
                m.label,
                f'{100 * m.label_score:.1f}',
                m.predicted,
                f'{100 * m.predicted_score:.1f}',
            )
            for m in mistakes
        ],
    )


def write_report(classified: Classified, out: str, most: int = 20) -> str:
    """Write what is wrong, as text and as a picture.

    Args:
        classified (Classified): A test set with scores.
        out (str): Path of the files without suffix: .md, .png and .pdf.
        most (int): Mistakes that are listed.

    Returns:
        str: The text.
    """
    right = int((classified.predicted == classified.labels).sum())
    count = len(classified.labels)
    mistakes = find_mistakes(classified)
    parts = [
        f'top-1 {100 * right / count:.1f} %: {right} of {count} videos',
        class_table(classified),
    ]
    if mistakes:
        shown = mistakes[:most]
        parts += [
            f'The {len(shown)} surest of {len(mistakes)} mistakes',
            mistake_table(shown),
        ]
    text = '\n\n'.join(parts) + '\n'
    write_text(f'{out}.md', text)
    matrix = confusion_matrix(classified)
    save_figure(draw_confusion(matrix, classified.classes), out)
    return text
