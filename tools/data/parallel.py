"""Work on many videos at once, and survive the file that kills a decoder."""

from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Callable, Dict, Sequence, TypeVar

from mmengine.utils import ProgressBar

Item = TypeVar('Item')
Result = TypeVar('Result')


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
    results: Dict[Item, Result] = {}
    bar = ProgressBar(len(items))
    with ProcessPoolExecutor(workers) as pool:
        futures = {pool.submit(function, item): item for item in items}
        for future in as_completed(futures):
            try:
                results[futures[future]] = future.result()
                bar.update()
            except BrokenProcessPool:
                # One death takes the whole pool along.
                pass
    for item in items:
        if item not in results:
            with ProcessPoolExecutor(1) as pool:
                try:
                    results[item] = pool.submit(function, item).result()
                except BrokenProcessPool:
                    results[item] = on_crash
            bar.update()
    print()
    return {item: results[item] for item in items}
