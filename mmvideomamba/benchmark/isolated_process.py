"""A process of its own for each thing that is measured.

What one sets for its process, such as how the C library keeps freed memory
(`ops/cpu/allocator.py`), or leaves behind there, must not reach the others: a
user has only one of them.
"""

import multiprocessing
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.pool import (  # type: ignore[attr-defined]  # stubs
    ExceptionWithTraceback,
)
from typing import Any, Callable, Iterator, Tuple

import torch


@contextmanager
def isolated_process(
    factory: Callable[..., Any], *args: Any
) -> Iterator[Callable[..., Any]]:
    """Host one object in a new process, which ends with the context.

        with isolated_process(ScanWorkload, case) as call:
            call('time', 'cpu')

    The process has as many threads of PyTorch as this one.

    Args:
        factory (Callable): Builds the object there; it and its arguments can
            be pickled.
        *args: Arguments of the factory.

    Yields:
        Callable: Is given the name of a method of the object, and arguments;
        returns its result. All that can be pickled.

    Raises:
        ChildProcessError: The process ended before the object was built, or
            before a method ended.
        Exception: What the factory or a method raised there.
    """
    context = multiprocessing.get_context('spawn')
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_host, args=(theirs, torch.get_num_threads(), factory, args)
    )
    process.start()
    # Theirs alone, so that their end of the pipe closes with them.
    theirs.close()

    def receive() -> Any:
        try:
            result, error = ours.recv()
        except (EOFError, ConnectionError):
            process.join()
            raise ChildProcessError(
                f'its process ended with exit code {process.exitcode}; the '
                'system ends processes when memory runs out: compare fewer at '
                'once'
            ) from None
        if error is not None:
            raise error
        return result

    def call(method: str, *args: Any) -> Any:
        with suppress(BrokenPipeError):  # `receive` says that it ended
            ours.send((method, args))
        return receive()

    try:
        receive()
        yield call
    finally:
        ours.close()
        process.join()


def _host(
    connection: Connection, threads: int, factory: Callable, args: tuple
) -> None:
    """Build the object, then answer calls until the other end closes."""
    torch.set_num_threads(threads)
    hosted, error = _outcome(factory, *args)
    connection.send((None, error))
    with suppress(EOFError):
        while True:
            method, args = connection.recv()
            connection.send(_outcome(getattr(hosted, method), *args))


def _outcome(function: Callable, *args: Any) -> Tuple[Any, Any]:
    """(result, None), or (None, error), with where it was raised."""
    try:
        return function(*args), None
    except Exception as error:
        return None, ExceptionWithTraceback(error, error.__traceback__)
