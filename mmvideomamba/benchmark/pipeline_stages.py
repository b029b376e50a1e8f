"""What a clip costs before it reaches the model, stage by stage."""

import os.path as osp
import time
from statistics import median
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import cv2
import numpy as np
import torch
from mmaction.datasets.transforms import DecordInit
from mmengine.config import Config

from ..datasets.pipelines import (
    find_dataset,
    find_decoding,
    split_at_decoding,
    step_type,
)
from ..datasets.video_inputs import make_sample
from ..random_keys import seed_generators
from ..registry import TRANSFORMS
from ..tables import format_number, markdown_table
from ..video import naming_errors, open_video
from .pillow_operations import PillowRandAugment
from .tables import with_spread
from .timing import summarize

PASSES = ('train', 'val', 'test')
OURS, BASELINE = 'mmvideomamba', 'mmaction2'
STAGES = ('open', 'decode', 'resize', 'augment', 'other')


class PlainDecordInit(DecordInit):
    """mmaction2's `DecordInit` as it is without the repairs of `compat`."""

    def _get_video_reader(self, filename: str) -> Any:
        import decord

        with open(filename, 'rb') as file:
            return decord.VideoReader(file, num_threads=self.num_threads)


class Pipeline(NamedTuple):
    """A pipeline of a config.

    Attributes:
        dataset (ConfigDict): The config of its data set.
        steps (dict[str, list]): Contender -> its transforms.
    """

    dataset: Any
    steps: Dict[str, List[Any]]

    def sample_frames(self, video: str, number: int) -> List[int]:
        """The frames of a video that the draws of this number choose."""
        seed_generators('benchmark', number)
        sample = make_sample(self.dataset, video)
        steps = self.steps[OURS]
        for step in steps[: find_decoding(steps)]:
            sample = step(sample)
        return np.ravel(sample['frame_inds']).tolist()


def build_pipelines(
    config: Config, passes: Sequence[str]
) -> Dict[str, Pipeline]:
    """The pipelines of a config, and what they would be in mmaction2 alone.

    Args:
        config (Config): Of a recognizer.
        passes (Sequence[str]): Of 'train', 'val' and 'test'.

    Raises:
        ValueError: The config lacks one of them, or it decodes no video, or
            there is no decord for the baseline.
    """
    try:
        import decord  # noqa: F401
    except ImportError as error:
        raise ValueError(
            'mmaction2 decodes with decord, which is not installed: pip '
            'install decord'
        ) from error
    pipelines = {}
    for name in passes:
        dataset = find_dataset(config, f'{name}_dataloader')
        if not dataset.get('pipeline'):
            raise ValueError(
                f'the dataset of {name}_dataloader has no pipeline'
            )
        split_at_decoding(dataset.pipeline)
        pipelines[name] = Pipeline(
            dataset,
            {
                OURS: list(map(TRANSFORMS.build, dataset.pipeline)),
                BASELINE: _baseline(dataset.pipeline),
            },
        )
    return pipelines


def _baseline(pipeline: Sequence[dict]) -> List[Any]:
    steps: List[Any] = []
    for config in pipeline:
        kind = step_type(config)
        arguments = {k: v for k, v in config.items() if k != 'type'}
        if kind == 'DecordInit':
            steps.append(PlainDecordInit(**arguments))
        elif kind == 'ClipDecode':
            steps.append(TRANSFORMS.build(dict(type='DecordDecode')))
            if arguments.get('scale'):
                steps.append(TRANSFORMS.build(dict(arguments, type='Resize')))
        elif kind == 'VideoRandAugment':
            steps.append(PillowRandAugment(**arguments))
        else:
            steps.append(TRANSFORMS.build(config))
    return steps


def check_videos(
    videos: Sequence[str], pipelines: Dict[str, Pipeline]
) -> None:
    """Read a frame of every video, and see that the pipelines read files.

    Raises:
        ValueError: One of them cannot be read: its path and the reason.
    """
    for path in videos:
        for pipeline in pipelines.values():
            make_sample(pipeline.dataset, path)
        with naming_errors(path):
            open_video(path).get_batch([0])


def measure_pipelines(
    pipelines: Dict[str, Pipeline], videos: Sequence[str], rounds: int
) -> List[dict]:
    """Run ours and the baseline in turns, with the same draws.

    In this process, with one thread, as a worker of a data loader has.

    Args:
        pipelines (dict[str, Pipeline]): Of `build_pipelines`.
        videos (Sequence[str]): Their paths.
        rounds (int): Clips of each; one more warms up.

    Returns:
        list[dict]: A result for each pass, video and contender, see
        `record.py`.
    """
    cv2.setNumThreads(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    results = []
    for name, pipeline in pipelines.items():
        for video in videos:
            sample = make_sample(pipeline.dataset, video)
            runs: Dict[str, List[Tuple[dict, float]]]
            runs = {contender: [] for contender in pipeline.steps}
            for number in range(rounds + 1):
                for contender, steps in pipeline.steps.items():
                    seed_generators('benchmark', number)
                    run = _run(steps, dict(sample))
                    if number:
                        runs[contender].append(run)
            results += _summarize(name, video, runs)
    torch.set_num_threads(threads)
    return results


def _run(steps: Sequence[Any], sample: dict) -> Tuple[Dict[str, float], float]:
    """CPU seconds of each stage, and seconds on the clock of all."""
    stages = dict.fromkeys(STAGES, 0.0)
    begin = time.perf_counter()
    for step in steps:
        start = time.process_time()
        sample = step(sample)
        stages[_stage(step)] += time.process_time() - start
    return stages, time.perf_counter() - begin


def _stage(step: Any) -> str:
    kind = step_type(step)
    if kind.endswith('Init'):
        return 'open'
    if kind.endswith('Decode'):
        return 'decode'
    if kind == 'Resize':
        return 'resize'
    return 'augment' if kind.endswith('RandAugment') else 'other'


def _summarize(
    name: str, video: str, runs: Dict[str, List[Tuple[dict, float]]]
) -> List[dict]:
    totals = {
        contender: np.array([sum(stages.values()) for stages, _ in measured])
        for contender, measured in runs.items()
    }
    rows = []
    for contender, measured in runs.items():
        cpu = summarize(totals[contender].tolist())
        ratio = summarize((totals[contender] / totals[BASELINE]).tolist())
        rows.append(
            {
                'name': contender,
                'pass': name,
                'video': video,
                'error': None,
                **cpu,
                'fastest': min(totals[contender]),
                'rounds': len(measured),
                'ratios': {BASELINE: ratio},
                'clips_per_second': 1 / cpu['median'],
                'wall': median(wall for _, wall in measured),
                'stages': {
                    stage: median(stages[stage] for stages, _ in measured)
                    for stage in STAGES
                },
            }
        )
    return rows


def format_pipelines(results: Sequence[dict], rate: float) -> str:
    """Results as a Markdown table, with the cores that `rate` clips/s need."""
    header = (
        *('pipeline', 'components', 'CPU ms (IQR)', 'ratio (IQR)', 'clock ms'),
        *STAGES,
        *('clips/s and core', f'cores for {rate:g}/s'),
    )
    rows = []
    for row in results:
        middle, *iqr = (1e3 * t for t in (row['median'], *row['iqr']))
        ratio = row['ratios'][BASELINE]
        rows.append(
            (
                f'{row["pass"]}, {osp.basename(row["video"])}',
                row['name'],
                with_spread(middle, iqr, 1),
                with_spread(ratio['median'], ratio['iqr']),
                format_number(row['wall'], 1, 1e-3),
                *(format_number(row['stages'][s], 1, 1e-3) for s in STAGES),
                format_number(row['clips_per_second'], 1),
                format_number(rate * row['median'], 1),
            )
        )
    return markdown_table(header, rows)
