"""A process of its own for each thing that is measured.

What one sets for its process, such as how the C library keeps freed memory
(`ops/memory.py`), or leaves behind there, is none of the others' business: a
user has only one of them.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import Callable

import torch


class OwnProcess:
    """A new process, with as many threads of PyTorch as this one.

    Args:
        stack (ExitStack): Ends the process.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._process = stack.enter_context(
            ProcessPoolExecutor(1, multiprocessing.get_context('spawn'))
        )
        self.ask(torch.set_num_threads, torch.get_num_threads())

    def ask(self, question: Callable, *args):
        """Call a function there; what it raises is raised here."""
        return self._process.submit(question, *args).result()
