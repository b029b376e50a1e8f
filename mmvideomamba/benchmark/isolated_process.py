"""A process of its own for each thing that is measured.

What one sets for its process, such as how the C library keeps freed memory
(`ops/cpu/allocator.py`), or leaves behind there, must not reach the others: a
user has only one of them.
"""

import multiprocessing
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.pool import ExceptionWithTraceback
from typing import Any, Callable

import torch


class ProcessEnded(RuntimeError):
    """An isolated process ended by itself, or the system ended it."""


class IsolatedProcess:
    """A new process that hosts one object, until the context ends.

        with IsolatedProcess(ScanWorkload, case) as process:
            process.call('time', 'cpu')

    It has as many threads of PyTorch as this one.

    Args:
        factory (Callable): Builds the object there. It and its arguments can
            be pickled; what it raises is raised here.
        *args: Arguments of the factory.

    Raises:
        ProcessEnded: The process ended before the object was built.
    """

    def __init__(self, factory: Callable[..., Any], *args: Any) -> None:
        context = multiprocessing.get_context('spawn')
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_host,
            args=(theirs, torch.get_num_threads(), factory, args),
        )
        self._process.start()
        # Theirs alone, so that their end of the pipe closes with them.
        theirs.close()
        try:
            self._receive()
        except BaseException:
            self.close()
            raise

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of the object; what it raises is raised here.

        Args:
            method (str): Its name.
            *args: Its arguments; they and the result can be pickled.

        Raises:
            ProcessEnded: The process ended before the method did.
        """
        try:
            self._connection.send((method, args))
        except BrokenPipeError:
            raise self._ended() from None
        return self._receive()

    def close(self) -> None:
        """End the process, after the call that it is in."""
        self._connection.close()
        self._process.join()

    def __enter__(self) -> 'IsolatedProcess':
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _receive(self) -> Any:
        try:
            result, error = self._connection.recv()
        except (EOFError, ConnectionError):
            raise self._ended() from None
        if error is not None:
            raise error
        return result

    def _ended(self) -> ProcessEnded:
        self._process.join()
        return ProcessEnded(
            f'its process ended with exit code {self._process.exitcode}; the '
            'system ends processes when memory runs out: compare fewer at once'
        )


class ThisProcess:
    """`IsolatedProcess` without the process: the object lives here."""

    def __init__(self, factory: Callable[..., Any], *args: Any) -> None:
        self._hosted = factory(*args)

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of the object."""
        return getattr(self._hosted, method)(*args)


def _host(
    connection: Connection, threads: int, factory: Callable, args: tuple
) -> None:
    """Build the object, then answer calls until the other end closes."""
    torch.set_num_threads(threads)

    def answer(function: Callable, *args: Any) -> Any:
        try:
            result, error = function(*args), None
        except Exception as raised:
            result = None
            error = ExceptionWithTraceback(raised, raised.__traceback__)
        return result, error

    hosted, error = answer(factory, *args)
    connection.send((None, error))
    with suppress(EOFError):
        while True:
            method, args = connection.recv()
            connection.send(answer(getattr(hosted, method), *args))
