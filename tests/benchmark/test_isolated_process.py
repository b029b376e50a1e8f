"""A process of its own: its object, its errors and its end."""

import os

import pytest
import torch

from mmvideomamba.benchmark.isolated_process import (
    IsolatedProcess,
    ProcessEnded,
)


class Counter:
    def __init__(self, start):
        if start < 0:
            raise ValueError(f'starts at 0, got {start}')
        self.count = start

    def add(self, number):
        self.count += number
        return self.count, torch.get_num_threads(), os.getpid()

    def fail(self):
        raise RuntimeError('no memory')

    def abort(self):
        os.abort()


def test_it_keeps_an_object_and_its_threads_over_errors():
    with IsolatedProcess(Counter, 3) as process:
        assert process.call('add', 2)[0] == 5
        with pytest.raises(RuntimeError, match='no memory') as raised:
            process.call('fail')
        # Where it was raised shows.
        assert 'in fail' in str(raised.value.__cause__)
        count, threads, pid = process.call('add', 1)
        assert (count, threads) == (6, torch.get_num_threads())
        assert pid != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_the_factory_raises_is_raised():
    with pytest.raises(ValueError, match='starts at 0, got -1'):
        IsolatedProcess(Counter, -1)


def test_a_process_that_ends_by_itself():
    with IsolatedProcess(Counter, 0) as process:
        for method in ('abort', 'add'):
            with pytest.raises(ProcessEnded, match='exit code -6'):
                process.call(method)
