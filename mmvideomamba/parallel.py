"""Work on many videos at once, and survive the file that kills a decoder.

Workers never outlive the program that started them: it ends them when it ends,
and where it is killed, they notice.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import closing, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import (
    Any,
    Callable,
    Dict,
    Generator,
    List,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
)

from .progress import track
from .text import printable

Item = TypeVar('Item')
Result = TypeVar('Result')

# Seconds in which a worker removes what it has half written.
TIME_TO_END = 1


def find_good(
    look: Callable[[str], Result], names: Sequence[str], workers: int
) -> Dict[str, Result]:
    """Look at many videos; print what is wrong with some, return the others.

    Args:
        look (Callable): Name -> what is wrong, as a str, or something else;
            runs in another process.
        names (Sequence[str]): Different from one another.
        workers (int): Processes.

    Returns:
        dict: Name -> what else, in the order of the names.
    """
    crash: Any = 'kills the decoder'
    found = run_parallel(look, names, workers, on_crash=crash)
    for name, result in found.items():
        if isinstance(result, str):
            print(printable(f'{name}: {result}'))
    return {n: r for n, r in found.items() if not isinstance(r, str)}


def run_parallel(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    on_crash: Result,
) -> Dict[Item, Result]:
    """Call a function on every item, with a progress bar.

    Args:
        function (Callable): Runs in another process. What it raises ends the
            loop and is raised here.
        items (Sequence): Different from one another, hashable.
        workers (int): Processes.
        on_crash: The result of an item whose process dies.

    Returns:
        dict: item -> result, in the order of the items.
    """
    results: Dict[Item, Result] = {}
    with closing(_results(function, items, workers, on_crash)) as finished:
        results.update(track(finished, len(items)))
    return {item: results[item] for item in items}


def _results(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    on_crash: Result,
) -> Generator[Tuple[Item, Result], None, None]:
    """Yield the items as they are finished, each with its result."""
    context = _clean_context()
    left = deque(items)
    busy: Dict[Any, Tuple[_Worker, Item]] = {}
    idle = [_Worker(context, function) for _ in items[:workers]]
    try:
        while left or busy:
            while idle and left:
                worker, item = idle.pop(), left.popleft()
                busy[worker.connection] = worker, item
                worker.connection.send(item)
            ready: List[Any] = wait(list(busy))
            for connection in ready:
                worker, item = busy.pop(connection)
                idle.append(worker)
                try:
                    result, error = connection.recv()
                except (EOFError, ConnectionError):
                    result, error = on_crash, None
                    _end([worker])
                    idle[-1] = _Worker(context, function)
                if error is not None:
                    raise error
                yield item, result
    finally:
        _end([*idle, *(worker for worker, _ in busy.values())])


class _Worker:
    """A process that answers items with results, one at a time.

    Attributes:
        connection (Connection): Takes an item, gives (result, error), one of
            which is None; ends where the process dies.
    """

    def __init__(self, context: Any, function: Callable) -> None:
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, function), daemon=True
        )
        self.process.start()
        theirs.close()


def _end(workers: Sequence[_Worker]) -> None:
    """Let workers remove what they have half written, and end."""
    for worker in workers:
        worker.connection.close()
        worker.process.terminate()
    end = time.monotonic() + TIME_TO_END
    for worker in workers:
        worker.process.join(max(0, end - time.monotonic()))
        worker.process.kill()


def _serve(connection: Connection, function: Callable) -> None:
    """What a worker does, until the program closes the connection."""
    # Ctrl-C reaches the program too, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As an exception, so that half a file is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        while True:
            connection.send(_answer(function, connection.recv()))


def _answer(
    function: Callable[[Item], Result], item: Item
) -> Tuple[Optional[Result], Optional[Exception]]:
    try:
        return function(item), None
    except OSError as error:
        return None, OSError(str(error))
    except Exception:
        return None, RuntimeError(f'in a worker: {traceback.format_exc()}')


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    signal.raise_signal(signal.SIGTERM)
    time.sleep(TIME_TO_END)
    os._exit(1)  # a decoder has not returned


def _clean_context() -> BaseContext:
    """Start processes that share no lock with a thread of this one.

    A fork of a process whose FFmpeg has decoded in threads may wait for ever.
    """
    if 'forkserver' not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context('spawn')  # Windows
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['mmvideomamba.video'])
    return context
