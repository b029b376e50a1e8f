"""Warnings: noted once, obeyed twice, and none of the workers' business."""

import os
import signal
import subprocess

import pytest
from torch.utils.data import DataLoader

from mmvideomamba.runner import warning_signals
from mmvideomamba.runner.warning_signals import WarningSignals, shield_workers


@pytest.fixture
def signals():
    signals = WarningSignals()
    signals.catch()
    yield signals
    signals.release()


def test_the_first_warning_is_noted(signals):
    assert signals.received is None
    signal.raise_signal(signal.SIGUSR1)
    # Again at once, as torchrun hands it on.
    signal.raise_signal(signal.SIGTERM)
    assert signals.received is signal.SIGUSR1


def test_the_second_warning_ends_the_process(signals, monkeypatch):
    killed = []
    monkeypatch.setattr(os, 'kill', lambda *call: killed.append(call))
    monkeypatch.setattr(warning_signals, 'SECONDS_OF_ONE_WARNING', 0)
    signal.raise_signal(signal.SIGTERM)
    assert not killed
    signal.raise_signal(signal.SIGTERM)
    assert killed == [(os.getpid(), signal.SIGTERM)]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_warnings_are_left_to_whom_they_were_left_before():
    before = signal.getsignal(signal.SIGTERM)
    signals = WarningSignals()
    signals.catch()
    assert signal.getsignal(signal.SIGTERM) != before
    signals.release()
    assert signal.getsignal(signal.SIGTERM) == before


def test_workers_end_for_their_parent_alone():
    loader = DataLoader(range(100), num_workers=2)
    initialised = []
    loader.worker_init_fn = initialised.append
    for _ in range(2):
        shield_workers(loader)
    batches = iter(loader)
    workers = batches._workers
    for name in ('TERM', 'USR1'):
        # Of another process.
        pids = [str(worker.pid) for worker in workers]
        subprocess.run(['kill', f'-{name}', *pids], check=True)
    assert [int(batch) for batch in batches] == list(range(100))

    batches = iter(loader)
    next(batches)
    for worker in batches._workers:
        worker.terminate()
        worker.join(10)
        assert worker.exitcode == 0
