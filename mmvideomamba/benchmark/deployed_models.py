"""What a trained recognizer can run as, side by side."""

import time
from functools import partial
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..deployment.formats import Run, on_arrays
from ..deployment.variants import MAKERS, Variants
from ..tables import format_number, markdown_table
from .comparison import Contender, compare
from .tables import with_spread

HEADER = (
    *('', 'clips', 'CPU ms (IQR)', 'ratio (IQR)', 'MB'),
    *('largest difference', 'same best class', 'accuracy'),
)


class DeployedModels:
    """Runs variants of a recognizer on the same videos.

    Args:
        variants (Variants): Of the recognizer.
        videos (Sequence[np.ndarray]): Views, (V, T, H, W, 3) uint8 each.
        labels (Sequence[int], optional): Of the videos; None: there are none.
    """

    def __init__(
        self,
        variants: Variants,
        videos: Sequence[np.ndarray],
        labels: Optional[Sequence[int]] = None,
    ) -> None:
        self.variants = variants
        self.videos = videos
        self.labels = labels
        self.expected = score_videos(on_arrays(variants.recognizer), videos)
        self._made: Dict[str, Tuple[Run, dict]] = {}

    def make(self, name: str) -> Tuple[Run, dict]:
        """One of `MAKERS`, and what `record.py` says of it beside times."""
        if name not in self._made:
            run, size = MAKERS[name](self.variants)
            scores = score_videos(run, self.videos)
            best = scores.argmax(1)
            accuracy = None
            if self.labels is not None:
                accuracy = float(np.mean(best == np.array(self.labels)))
            self._made[name] = (
                run,
                dict(
                    bytes=size,
                    difference=float(np.abs(scores - self.expected).max()),
                    same=float(np.mean(best == self.expected.argmax(1))),
                    accuracy=accuracy,
                ),
            )
        return self._made[name]

    def measure(
        self,
        names: Sequence[str],
        batch_size: int,
        rounds: int,
        budget: float = float('inf'),
    ) -> List[dict]:
        """Measure the CPU time of variants.

        Args:
            names (Sequence[str]): Of `MAKERS`; the first that runs is the
                baseline of the ratios.
            batch_size (int): Clips at once.
            rounds (int): Timings of each.
            budget (float): Seconds, see `compare`.

        Returns:
            list[dict]: Results, see `record.py`.
        """
        clips = np.concatenate(self.videos[:batch_size])
        batch = np.resize(clips, (batch_size, *clips.shape[1:]))

        def prepare(
            name: str, pass_name: str
        ) -> Tuple[Callable[[], float], dict]:
            run, measured = self.make(name)
            run(batch)
            return lambda: cpu_seconds(lambda: run(batch)), measured

        contenders = [
            Contender(
                name, dict(batch_size=batch_size), partial(prepare, name)
            )
            for name in names
        ]
        return compare(contenders, ['forward'], rounds, budget)


def score_videos(run: Run, videos: Sequence[np.ndarray]) -> np.ndarray:
    """(videos, classes), means over the views."""
    return np.stack([run(views)[0].mean(axis=0) for views in videos])


def cpu_seconds(call: Callable[[], object]) -> float:
    """What a call takes of the CPUs, in all threads of this process."""
    start = time.process_time()
    call()
    return time.process_time() - start


def format_deployed(results: Sequence[dict]) -> str:
    """A table of what ran, and why the others could not."""
    ran = [row for row in results if not row['error']]
    table = markdown_table(HEADER, map(_cells, ran))
    refused = [
        f'{row["name"]} could not run: {row["error"]}'
        for row in results
        if row['error']
    ]
    return '\n'.join([table, *dict.fromkeys(refused)])


def _cells(row: dict) -> List[object]:
    (ratio,) = row['ratios'].values()
    ms = [1e3 * t for t in (row['median'], *row['iqr'])]
    return [
        row['name'],
        row['batch_size'],
        with_spread(ms[0], ms[1:], 0 if ms[0] >= 100 else 1),
        with_spread(ratio['median'], ratio['iqr']),
        format_number(row['bytes'], 1, 1e6),
        f'{row["difference"]:.0e}',
        f'{row["same"]:.1%}',
        '-' if row['accuracy'] is None else f'{row["accuracy"]:.1%}',
    ]
