"""Time and memory of video models, side by side in one run.

- Time: models take turns and a ratio is taken within each turn, see
  `timing.py`; medians over the turns are reported, with the middle half of the
  turns as their spread.
- Memory: what PyTorch allocates at the worst moment of a pass, above weights
  and clips: on CUDA its own statistic, on a CPU the sum of the allocations
  that its profiler sees. Both count tensors and not what an allocator
  withholds, so the figures do not depend on what ran before. A training step
  also holds gradients and the optimizer's two moments.
"""

import copy
import json
import os.path as osp
import tempfile
from functools import partial
from itertools import accumulate
from typing import Callable, Dict, List, NamedTuple, Sequence, Tuple

import torch
from torch.profiler import ProfilerActivity, profile

from .flops import count_complexity
from .matrix_products import MatrixProducts
from .timing import summarize_turns, take_turns
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
        `clips_per_second`, and in bytes `memory` and `memory_per_clip`, the
        latter without the optimizer's moments (None for the products).
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
        times = take_turns(
            {title: c.calls[name] for title, c in running.items()},
            device,
            turns,
            budget,
            lambda turn, name=name: report(f'{name}: turn {turn}/{turns}'),
        )
        for title, timing in summarize_turns(times).items():
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
        peak = peak_memory(call, workload.clips.device.type)
        held = workload.held_by_optimizer() if name == 'training' else 0
        row[name] = dict(
            memory=peak + held, memory_per_clip=peak / len(workload.clips)
        )
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
    row.update(
        complete_macs=cost.complete,
        forward=dict(memory=None, memory_per_clip=None),
    )
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
