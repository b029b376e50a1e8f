"""Time and memory of video models, side by side in one run.

- Time: models take turns and a ratio is taken within each turn, see
  `timing.py`; medians over the turns are reported, with the middle half of the
  turns as their spread.
- Processes: each model lives in one of its own, see `isolated_process.py`.
- Memory: what PyTorch allocates at the worst moment of a pass, above weights
  and clips: on CUDA its own statistic, on a CPU the sum of the allocations
  that its profiler sees. Both count tensors and not what an allocator
  withholds, so the figures do not depend on what ran before. A training step
  also holds gradients and the optimizer's two moments.
"""

import copy
import ctypes
import json
import os.path as osp
import tempfile
import warnings
from contextlib import ExitStack
from functools import cache, partial
from itertools import accumulate
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from ..analysis.flops import count_complexity
from .isolated_process import OwnProcess
from .matrix_products import MatrixProducts
from .timing import seconds_awake, summarize_turns, take_turns
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
    build: Callable[..., Workload] = build_workload,
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
        build (Callable): As `build_workload`; can be pickled.

    Returns:
        list[dict]: One for each entry and for the matrix products of each
        VideoMamba in the forward pass, ready for JSON: `name`, `family`,
        `frames`, `precision`, `parameters`, `paper_macs` and `complete_macs`
        of one clip, `error` (None, or why it could not run), and `forward`
        and `training`: None where not measured, else the fields of `Timing`,
        `clips_per_second`, and in bytes `memory` and `memory_per_clip`, the
        latter without the optimizer's moments (None for the products).
    """
    with ExitStack() as stack:
        subjects: Dict[Tuple[str, int], OwnProcess] = {}
        candidates: List[_Candidate] = []
        for number, entry in enumerate(entries, 1):
            report(f'[{number}/{len(entries)}] {entry.name}: memory')
            row = dict(name=entry.name, **entry._asdict(), **NOTHING_MEASURED)
            key = entry.family, entry.frames
            try:
                if key not in subjects:
                    subjects[key] = OwnProcess(stack)
                    subjects[key].ask(_start, build, *key, batch_size, device)
                candidates += _candidates(row, subjects[key], passes)
            # What a model or the device refuses: too many frames, no memory.
            except (RuntimeError, ValueError, AssertionError) as error:
                row.update(
                    NOTHING_MEASURED, error=str(error).partition('\n')[0]
                )
                candidates.append(_Candidate(row, {}))
                report(f'    cannot run: {row["error"]}')

        for name in passes:
            running = {c.row['name']: c for c in candidates if name in c.calls}
            times = take_turns(
                {title: c.calls[name] for title, c in running.items()},
                turns,
                budget,
                lambda turn, name=name: report(f'{name}: turn {turn}/{turns}'),
            )
            for title, timing in summarize_turns(times).items():
                running[title].row[name].update(
                    timing._asdict(),
                    clips_per_second=batch_size / timing.median,
                )
        return [candidate.row for candidate in candidates]


class _Candidate(NamedTuple):
    """A row of the result and the calls that time it, by pass."""

    row: dict
    calls: Dict[str, Callable[[], float]]


def _candidates(
    row: dict, subject: OwnProcess, passes: Sequence[str]
) -> List[_Candidate]:
    """A model's row and, of a VideoMamba, that of its products.

    What does not depend on time is filled in; each call is warm afterwards.
    """
    precision = row['precision']
    row.update(subject.ask(_complexity))
    for name in passes:
        row[name] = subject.ask(_memory, name, precision)
    found = [
        _Candidate(
            row,
            {
                name: partial(subject.ask, _time, name, precision)
                for name in passes
            },
        )
    ]
    if 'forward' in passes and row['family'].startswith('videomamba'):
        floor = dict(row, **NOTHING_MEASURED, name=f'{row["name"]}, {FLOOR}')
        floor.update(
            complete_macs=subject.ask(_products_complexity),
            forward=dict(memory=None, memory_per_clip=None),
        )
        time_products = partial(subject.ask, _time_products, precision)
        time_products()
        found.append(_Candidate(floor, dict(forward=time_products)))
    return found


# From here to `peak_memory`: what runs in the process of a model.
_workload: Optional[Workload] = None


def _start(build: Callable[..., Workload], *args) -> None:
    global _workload
    warnings.filterwarnings('ignore', 'torch.meshgrid')  # VideoSwin's
    _workload = build(*args)


def _complexity() -> dict:
    """Of one view."""
    one_view = (1, 1, *_workload.clips.shape[1:])
    cost = count_complexity(_workload.model, one_view)
    return dict(
        parameters=cost.parameters,
        paper_macs=cost.paper,
        complete_macs=cost.complete,
    )


def _memory(name: str, precision: str) -> dict:
    call = partial(getattr(_workload, name), precision)
    peak = peak_memory(call, _workload.clips.device.type)
    _give_back_memory()
    held = _workload.held_by_optimizer() if name == 'training' else 0
    return dict(
        memory=peak + held, memory_per_clip=peak / len(_workload.clips)
    )


def _time(name: str, precision: str) -> float:
    return _seconds(partial(getattr(_workload, name), precision))


def _seconds(call: Callable[[], object]) -> float:
    duration = seconds_awake(call, _workload.clips.device.type)
    _give_back_memory()
    return duration


def _give_back_memory() -> None:
    """Leave to the others what only the next turn will need again."""
    if _workload.clips.device.type == 'cuda':
        torch.cuda.empty_cache()
    # Of the GNU C library; others have no such function.
    elif hasattr(ctypes.CDLL(None), 'malloc_trim'):
        ctypes.CDLL(None).malloc_trim(0)


def _products_complexity() -> int:
    products, clips = _products('fp32')
    return count_complexity(products, (1, *clips.shape[1:])).complete


def _time_products(precision: str) -> float:
    """Of a VideoMamba, in the precision itself: casts are not products."""
    with torch.no_grad():
        return _seconds(partial(*_products(precision)))


@cache
def _products(precision: str) -> Tuple[MatrixProducts, Tensor]:
    products = MatrixProducts(_workload.model.backbone, _workload.clips)
    dtype = PRECISIONS[precision]
    if dtype != _workload.clips.dtype:
        products = copy.deepcopy(products).to(dtype)
    return products, _workload.clips.to(dtype)


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
