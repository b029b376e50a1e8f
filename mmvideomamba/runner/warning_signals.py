"""The signals that warn of an end: SIGTERM and SIGUSR1.

Slurm and the clouds send one of them some time before they end a job.
"""

import os
import signal
import threading
import time
from functools import partial
from typing import Any, Callable, Dict, Optional

import torch
from mmengine.dist import get_comm_device, is_distributed
from torch.utils.data import DataLoader

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

# One warning can come twice: from a scheduler, and from torchrun, which hands
# on what it got itself.
SECONDS_OF_ONE_WARNING = 2.0


class WarningSignals:
    """Notes the first warning; the second ends the process as usual.

    Attributes:
        received (signal.Signals, optional): The first warning.
    """

    def __init__(self) -> None:
        self.received: Optional[signal.Signals] = None
        self._received_at = 0.0
        self._previous: Dict[signal.Signals, Any] = {}

    def catch(self) -> None:
        """Note warnings from here on.

        Python hands signals to the main thread only; in another one nothing
        is noted.
        """
        if threading.current_thread() is threading.main_thread():
            self._previous = {s: signal.signal(s, self._note) for s in SIGNALS}

    def release(self) -> None:
        """Leave warnings to whom they were left before."""
        while self._previous:
            number, handler = self._previous.popitem()
            # None was not installed by Python, and is lost.
            signal.signal(number, handler or signal.SIG_DFL)

    def ignore(self) -> None:
        """Let no warning disturb an end that is under way."""
        for number in self._previous:
            signal.signal(number, signal.SIG_IGN)

    def _note(self, number: int, frame: Any) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received = signal.Signals(number)
            self._received_at = now
        elif now - self._received_at > SECONDS_OF_ONE_WARNING:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


class Vote:
    """The strongest wish of all processes, known to all at the same call.

    No process waits for the others: a call returns what came of the wishes of
    the call before, and starts to collect those of this one. In one process
    it returns the wish. All processes make the same calls.
    """

    def __init__(self) -> None:
        self._wishes: Optional[torch.Tensor] = None
        self._collecting: Any = None

    def __call__(self, wish: int) -> int:
        """Wish for a number of at least 0; return the highest."""
        if not is_distributed():
            return wish
        strongest = self.close()
        self._wishes = torch.tensor(wish, device=get_comm_device())
        self._collecting = torch.distributed.all_reduce(
            self._wishes, torch.distributed.ReduceOp.MAX, async_op=True
        )
        return strongest

    def close(self) -> int:
        """End a collection under way, and return what came of it."""
        if self._wishes is None:
            return 0
        self._collecting.wait()
        strongest = int(self._wishes)
        self._wishes = self._collecting = None
        return strongest


def shield_workers(loader: DataLoader) -> None:
    """Let a loader's workers outlive the warnings that reach them too.

    Warnings often go to all processes of a group. torch's workers would end,
    and the training with an error, before it could save. Theirs to heed is
    the SIGTERM of the training itself alone, as in `handler_SIGTERM`:
    https://github.com/pytorch/pytorch/blob/v2.4.0/torch/csrc/DataLoader.cpp

    Does nothing without workers, where the system cannot tell who sent a
    signal (macOS), and in a second call.
    """
    if (
        loader.num_workers
        and hasattr(signal, 'sigwaitinfo')
        and '_get_iterator' not in vars(loader)
    ):
        loader.worker_init_fn = partial(_init_worker, loader.worker_init_fn)
        # Blocked signals stay blocked in processes that are started then.
        vars(loader)['_get_iterator'] = partial(
            _call_with_signals_blocked, loader._get_iterator
        )


def _call_with_signals_blocked(function: Callable) -> Any:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        return function()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _init_worker(init: Optional[Callable], worker_id: int) -> None:
    threading.Thread(target=_end_when_the_parent_asks, daemon=True).start()
    if init is not None:
        init(worker_id)


def _end_when_the_parent_asks() -> None:
    parent = os.getppid()
    while signal.sigwaitinfo(SIGNALS).si_pid != parent:
        pass
    os._exit(0)
