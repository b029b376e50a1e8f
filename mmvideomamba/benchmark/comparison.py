"""Measuring contenders side by side: models, backends of the scan."""

import sys
import time
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

from .timing import Timing, run_rounds, summarize_rounds

# What a contender or the device refuses: too many frames, no memory.
REFUSALS = (RuntimeError, ValueError, AssertionError, ChildProcessError)
NOT_TIMED = dict.fromkeys((*Timing._fields, 'clips_per_second', 'error'))


class Contender(NamedTuple):
    """One of those that are compared.

    Attributes:
        name (str): What tables call it.
        about (dict): Fields of its results, `dtype` and `batch_size` among
            them, see `record.py`; None for those that `prepare` fills.
        prepare (Callable): Is given the name of a pass, warms it up and
            returns (what runs it once and returns the seconds it took, fields
            of the result by name); None where the contender has no such pass.
            May raise one of `REFUSALS`.
    """

    name: str
    about: dict
    prepare: Callable[[str], Optional[Tuple[Callable[[], float], dict]]]


def compare(
    contenders: Sequence[Contender],
    passes: Sequence[str],
    rounds: int,
    budget: float = float('inf'),
    baselines: Sequence[str] = (),
) -> List[dict]:
    """Measure contenders side by side, one pass after the other.

    Says on the standard error what it does, and what cannot run and why.

    Args:
        contenders (Sequence[Contender]): Each has a name of its own.
        passes (Sequence[str]): Names of passes.
        rounds (int): Timings of each contender and pass.
        budget (float): Seconds after which a contender sits out the rest of
            a pass, see `run_rounds`.
        baselines (Sequence[str]): Names of the contenders that ratios are
            taken to, see `summarize_rounds`.

    Returns:
        list[dict]: A result for each pass and contender, see `record.py`.
    """
    results: List[dict] = []
    start = time.monotonic()

    def report(text: str) -> None:
        seconds = time.monotonic() - start
        print(f'{seconds:5.0f} s  {text}', file=sys.stderr, flush=True)

    for name in passes:
        rows, calls = {}, {}
        for number, contender in enumerate(contenders, 1):
            title = contender.name
            report(f'{name}: prepare {title} ({number}/{len(contenders)})')
            row = {'name': title, 'pass': name, **contender.about, **NOT_TIMED}
            try:
                prepared = contender.prepare(name)
            except REFUSALS as error:
                reason = str(error) or repr(error)
                row['error'] = reason.partition('\n')[0]
                report(f'{title}, {name}: {row["error"]}')
            else:
                if prepared is None:
                    continue
                calls[title], measured = prepared
                row.update(measured)
            rows[title] = row

        def report_round(number: int, name: str = name) -> None:
            report(f'{name}: round {number}/{rounds}')

        times = run_rounds(calls, rounds, budget, report_round)
        for title, timing in summarize_rounds(times, baselines).items():
            row = rows[title]
            row.update(
                timing._asdict(),
                clips_per_second=row['batch_size'] / timing.median,
            )
        results += rows.values()
    return results
