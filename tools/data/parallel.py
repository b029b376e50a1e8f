"""Work on many videos at once, and survive the file that kills a decoder."""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from typing import (
    Callable,
    Dict,
    Iterator,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypeVar,
)

from mmvideomamba.cli import positive_int
from mmvideomamba.progress import track

Item = TypeVar('Item')
Result = TypeVar('Result')


def add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--workers',
        type=positive_int,
        default=os.cpu_count(),
        help='number of processes (default: of CPUs, %(default)s)',
    )


def find_good(
    find_fault: Callable[[str], Optional[str]],
    names: Sequence[str],
    workers: int,
) -> Set[str]:
    """Look at many videos; print what is wrong with some, return the others.

    Args:
        find_fault (Callable): Name -> what is wrong, or None; runs in
            another process.
        names (Sequence[str]): Different from one another.
        workers (int): Processes.
    """
    crash = 'kills the decoder'
    faults = run_parallel(find_fault, names, workers, on_crash=crash)
    for name, fault in faults.items():
        if fault is not None:
            print(f'{name}: {fault}')
    return {name for name, fault in faults.items() if fault is None}


def run_parallel(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    on_crash: Result,
) -> Dict[Item, Result]:
    """Call a function on every item, with a progress bar.

    Args:
        function (Callable): Runs in another process.
        items (Sequence): Different from one another, hashable.
        workers (int): Processes.
        on_crash: The result of an item whose process dies.

    Returns:
        dict: item -> result, in the order of the items.
    """
    finished = _results(function, items, workers, on_crash)
    results = dict(track(finished, len(items)))
    return {item: results[item] for item in items}


def _results(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    on_crash: Result,
) -> Iterator[Tuple[Item, Result]]:
    """Yield the items as they are finished, each with its result."""
    left = dict.fromkeys(items)
    context = _clean_context()
    with ProcessPoolExecutor(workers, context) as pool:
        futures = {pool.submit(function, item): item for item in items}
        for future in as_completed(futures):
            try:
                result = future.result()
            except BrokenProcessPool:
                # One death takes the whole pool along.
                continue
            del left[futures[future]]
            yield futures[future], result
    for item in left:
        with ProcessPoolExecutor(1, context) as pool:
            try:
                result = pool.submit(function, item).result()
            except BrokenProcessPool:
                result = on_crash
        yield item, result


def _clean_context() -> BaseContext:
    """Start processes that share no lock with a thread of this one.

    A fork of a process whose FFmpeg has decoded in threads may wait for ever.
    """
    if 'forkserver' not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context('spawn')  # Windows
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['mmvideomamba.video'])
    return context
