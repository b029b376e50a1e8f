"""Time and memory of video models, side by side in one run.

- Time: models take turns, so that a machine that changes its pace changes it
  for all. A ratio is taken within each turn; medians over the turns are
  reported, with the middle half of the turns as their spread.
- Memory: what PyTorch allocates at the worst moment of a pass, above weights
  and clips: on CUDA its own statistic, on a CPU the sum of the allocations
  that its profiler sees. Both count tensors and not what an allocator
  withholds, so the figures do not depend on what ran before. A training step
  also holds gradients and the optimizer's two moments.
"""

import copy
import json
import os.path as osp
import statistics
import tempfile
import time
from functools import partial
from itertools import accumulate
from typing import Callable, Dict, List, NamedTuple, Sequence, Tuple

import torch
from torch.profiler import ProfilerActivity, profile

from .flops import count_complexity
from .matrix_products import MatrixProducts
from .video_models import FAMILIES, PRECISIONS, Workload, build_workload

PASSES = ('forward', 'training')
FLOOR = 'its matrix products alone'
NOTHING_MEASURED = dict.fromkeys(
    ('parameters', 'paper_macs', 'complete_macs', 'error', *PASSES)
)


class Entry(NamedTuple):
    """One row of the comparison.

    Attributes:
        family (str): One of `FAMILIES`.
        frames (int): Frames of a clip.
        precision (str): One of `PRECISIONS`.
    """

    family: str
    frames: int
    precision: str

    @property
    def name(self) -> str:
        """What tables call it, such as 'VideoMamba-S 16f bf16'."""
        title = f'{FAMILIES[self.family].title} {self.frames}f'
        return title if self.precision == 'fp32' else f'{title} bf16'


def measure(
    entries: Sequence[Entry],
    passes: Sequence[str] = PASSES,
    batch_size: int = 1,
    device: str = 'cpu',
    turns: int = 10,
    budget: float = float('inf'),
    report: Callable[[str], object] = print,
) -> List[dict]:
    """Measure models side by side.

    Args:
        entries (Sequence[Entry]): What to compare; the first that runs is the
            baseline of the ratios.
        passes (Sequence[str]): Of `PASSES`.
        batch_size (int): Clips of a pass.
        device (str): 'cpu' or 'cuda'.
        turns (int): Timings of each model and pass.
        budget (float): Seconds after which a model rests, see `take_turns`.
        report (Callable): Is told in words what happens.

    Returns:
        list[dict]: One for each entry and for the matrix products of each
        VideoMamba in the forward pass, ready for JSON: `name`, `family`,
        `frames`, `precision`, `parameters`, `paper_macs` and `complete_macs`
        of one clip, `error` (None, or why it could not run), and `forward`
        and `training`: None where not measured, else the fields of `Timing`,
        `clips_per_second` and `memory` in bytes (None for the products).
    """
    workloads: Dict[Tuple[str, int], Workload] = {}
    candidates: List[_Candidate] = []
    for number, entry in enumerate(entries, 1):
        report(f'[{number}/{len(entries)}] {entry.name}: memory')
        candidate = _Candidate(
            dict(name=entry.name, **entry._asdict(), **NOTHING_MEASURED), {}
        )
        candidates.append(candidate)
        key = entry.family, entry.frames
        try:
            if key not in workloads:
                workloads[key] = build_workload(*key, batch_size, device)
            _prepare(candidate, workloads[key], passes)
            if 'forward' in passes and key[0].startswith('videomamba'):
                candidates.append(_floor(entry, workloads[key]))
        # What a model or the device refuses: too many frames, no memory.
        except (RuntimeError, ValueError, AssertionError) as error:
            candidate.calls.clear()
            candidate.row.update(
                NOTHING_MEASURED, error=str(error).partition('\n')[0]
            )
            report(f'    cannot run: {candidate.row["error"]}')

    for name in passes:
        running = {c.row['name']: c for c in candidates if name in c.calls}
        seconds = take_turns(
            {title: c.calls[name] for title, c in running.items()},
            turns,
            budget,
            torch.cuda.synchronize if device == 'cuda' else lambda: None,
            lambda turn, name=name: report(f'{name}: turn {turn}/{turns}'),
        )
        for title, timing in summarize_turns(seconds).items():
            running[title].row[name].update(
                timing._asdict(), clips_per_second=batch_size / timing.median
            )
    return [candidate.row for candidate in candidates]


class _Candidate(NamedTuple):
    """A row of the result and the calls that are timed for it, by pass."""

    row: dict
    calls: Dict[str, Callable[[], object]]


def _prepare(
    candidate: _Candidate, workload: Workload, passes: Sequence[str]
) -> None:
    """Fill in what does not depend on time; each call is warm afterwards."""
    row = candidate.row
    one_view = (1, 1, *workload.clips.shape[1:])
    cost = count_complexity(workload.model, one_view)
    row.update(
        parameters=cost.parameters,
        paper_macs=cost.paper,
        complete_macs=cost.complete,
    )
    for name in passes:
        call = partial(getattr(workload, name), row['precision'])
        memory = peak_memory(call, workload.clips.device.type)
        if name == 'training':
            memory += workload.held_by_optimizer()
        row[name] = dict(memory=memory)
        candidate.calls[name] = call


def _floor(entry: Entry, workload: Workload) -> _Candidate:
    """The matrix products of a VideoMamba, in the precision itself."""
    products = MatrixProducts(workload.model.backbone, workload.clips)
    cost = count_complexity(products, (1, *workload.clips.shape[1:]))
    dtype = PRECISIONS[entry.precision]
    if dtype != workload.clips.dtype:
        products = copy.deepcopy(products).to(dtype)
    clips = workload.clips.to(dtype)

    def multiply() -> None:
        with torch.no_grad():
            products(clips)

    multiply()
    row = dict(
        entry._asdict(),
        **NOTHING_MEASURED,
        name=f'{entry.name}, {FLOOR}',
    )
    row.update(complete_macs=cost.complete, forward=dict(memory=None))
    return _Candidate(row, dict(forward=multiply))


def peak_memory(call: Callable[[], object], device: str) -> int:
    """Bytes that tensors of a call take at its worst moment.

    Args:
        call (Callable): What to run; once before, for what it keeps.
        device (str): 'cpu' or 'cuda'.
    """
    call()
    if device == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as p:
        call()
    with tempfile.TemporaryDirectory() as folder:
        trace = osp.join(folder, 'trace.json')
        p.export_chrome_trace(trace)
        with open(trace) as file:
            events = json.load(file)['traceEvents']
    events = [event for event in events if event['name'] == '[memory]']
    events.sort(key=lambda event: event['args']['Ev Idx'])
    return max(accumulate(e['args']['Bytes'] for e in events), default=0)


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


def take_turns(
    calls: Dict[str, Callable[[], object]],
    turns: int,
    budget: float = float('inf'),
    synchronize: Callable[[], object] = lambda: None,
    report: Callable[[int], object] = lambda turn: None,
) -> Dict[str, List[float]]:
    """Time every call once a turn: A B C, A B C, ...

    Args:
        calls (dict[str, Callable]): Name -> what to run, warmed up already.
        turns (int): Number of turns.
        budget (float): Seconds; a call whose turns took more than this
            together rests for the remaining ones, after two at least.
        synchronize (Callable): Waits for the device.
        report (Callable): Is told each turn that begins, from 1.

    Returns:
        dict[str, list[float]]: Name -> seconds of each turn.
    """
    seconds: Dict[str, List[float]] = {name: [] for name in calls}
    for turn in range(turns):
        report(turn + 1)
        for name, call in calls.items():
            if turn >= 2 and sum(seconds[name]) > budget:
                continue
            synchronize()
            start = time.perf_counter()
            call()
            synchronize()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def summarize_turns(
    seconds: Dict[str, List[float]],
) -> Dict[str, Timing]:
    """Medians, spreads and ratios to the first of what was timed."""
    timings: Dict[str, Timing] = {}
    baseline = next(iter(seconds.values()), [])
    for name, values in seconds.items():
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
