"""Timings that stand a machine which changes its pace.

What is compared takes turns, A B C, A B C, so that a change of pace hits all;
a ratio is taken within each turn.
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


def seconds_awake(call: Callable[[], object], device: str) -> float:
    """Of a second call: others' turns left threads and caches cold."""
    call()
    return seconds(call, device)


def fastest(call: Callable[[], object], device: str) -> float:
    """Seconds of the fastest of seven calls, after one that warms up."""
    call()
    return min(seconds(call, device) for _ in range(7))


def take_turns(
    calls: Dict[str, Callable[[], float]],
    turns: int,
    budget: float = float('inf'),
    report: Callable[[int], object] = lambda turn: None,
) -> Dict[str, List[float]]:
    """Run every call once a turn.

    Args:
        calls (dict[str, Callable]): Name -> what runs once, warmed up
            already, and returns the seconds it took (see `seconds`).
        turns (int): Number of turns.
        budget (float): Seconds; a call whose turns took more than this
            together rests for the remaining ones, after two at least.
        report (Callable): Is told each turn that begins, from 1.

    Returns:
        dict[str, list[float]]: Name -> seconds of each turn.
    """
    times: Dict[str, List[float]] = {name: [] for name in calls}
    for turn in range(turns):
        report(turn + 1)
        for name, call in calls.items():
            if turn < 2 or sum(times[name]) <= budget:
                times[name].append(call())
    return times


class Timing(NamedTuple):
    """How long a call takes, in seconds and against the baseline.

    Attributes:
        median (float): Over the turns.
        spread (tuple[float, float]): The middle half of the turns.
        fastest (float): The fastest turn.
        ratio (float): Times the baseline's time of the same turn, median.
        ratio_spread (tuple[float, float]): The middle half of the ratios.
        turns (int): Number of turns.
    """

    median: float
    spread: Tuple[float, float]
    fastest: float
    ratio: float
    ratio_spread: Tuple[float, float]
    turns: int


def summarize_turns(times: Dict[str, List[float]]) -> Dict[str, Timing]:
    """Medians, spreads and ratios to the first of what was timed."""
    timings: Dict[str, Timing] = {}
    baseline = next(iter(times.values()), [])
    for name, values in times.items():
        ratios = [v / b for v, b in zip(values, baseline)]
        timings[name] = Timing(
            statistics.median(values),
            middle_half(values),
            min(values),
            statistics.median(ratios),
            middle_half(ratios),
            len(values),
        )
    return timings


def middle_half(values: Sequence[float]) -> Tuple[float, float]:
    """The quartiles between which half of the values lie."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method='inclusive')
    return low, high
