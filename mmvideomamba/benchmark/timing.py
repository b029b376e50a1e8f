"""Timings that bear a machine whose speed varies.

What is compared runs in rounds, A B C, A B C, so that a change of speed hits
all alike; a ratio is taken within each round.
"""

import statistics
import time
from typing import Callable, Dict, List, NamedTuple, Sequence, Tuple

import torch


def seconds(call: Callable[[], object], device: str) -> float:
    """How long a call takes that begins on an idle device.

    Args:
        call (Callable): What to run, warmed up already.
        device (str): 'cpu' or 'cuda'; there, between two events of the
            current stream.
    """
    if device == 'cuda':
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1e3
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def warm_seconds(call: Callable[[], object], device: str) -> float:
    """Of a second call: other processes' calls leave threads, caches cold."""
    call()
    return seconds(call, device)


def fastest(call: Callable[[], object], device: str) -> float:
    """Seconds of the fastest of seven calls, after one that warms up."""
    call()
    return min(seconds(call, device) for _ in range(7))


def run_rounds(
    calls: Dict[str, Callable[[], float]],
    rounds: int,
    budget: float = float('inf'),
    report: Callable[[int], object] = lambda number: None,
) -> Dict[str, List[float]]:
    """Run every call once a round.

    Args:
        calls (dict[str, Callable]): Name -> what runs once, warmed up
            already, and returns the seconds it took (see `seconds`).
        rounds (int): Number of rounds.
        budget (float): Seconds; a call that took more than this in all its
            rounds sits out the remaining ones, after two at least.
        report (Callable): Is told each round that begins, from 1.

    Returns:
        dict[str, list[float]]: Name -> seconds of each round.
    """
    times: Dict[str, List[float]] = {name: [] for name in calls}
    for number in range(1, rounds + 1):
        report(number)
        for name, call in calls.items():
            if number <= 2 or sum(times[name]) <= budget:
                times[name].append(call())
    return times


class Timing(NamedTuple):
    """How long a call takes, in seconds and against baselines.

    Attributes:
        median (float): Over the rounds.
        iqr (tuple[float, float]): The interquartile range of the rounds.
        fastest (float): The fastest round.
        rounds (int): Number of rounds.
        ratios (dict[str, dict]): Baseline -> `median` and `iqr` of the time
            over the baseline's time in the same round.
    """

    median: float
    iqr: Tuple[float, float]
    fastest: float
    rounds: int
    ratios: Dict[str, dict]


def summarize_rounds(
    times: Dict[str, List[float]], baselines: Sequence[str] = ()
) -> Dict[str, Timing]:
    """Medians, interquartile ranges and ratios to the baselines.

    Args:
        times (dict[str, list[float]]): Of `run_rounds`.
        baselines (Sequence[str]): Names; those that did not run are left
            out. Empty: the first that ran.

    Returns:
        dict[str, Timing]: For each name.
    """
    baselines = baselines or list(times)[:1]
    return {
        name: Timing(
            **summarize(values),
            fastest=min(values),
            rounds=len(values),
            ratios={
                other: summarize([v / b for v, b in zip(values, times[other])])
                for other in baselines
                if other in times
            },
        )
        for name, values in times.items()
    }


def summarize(values: Sequence[float]) -> dict:
    """`median` and `iqr`, the interquartile range as (low, high)."""
    median = statistics.median(values)
    if len(values) == 1:
        return dict(median=median, iqr=(median, median))
    low, _, high = statistics.quantiles(values, n=4, method='inclusive')
    return dict(median=median, iqr=(low, high))
