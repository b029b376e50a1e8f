"""A process of its own: its object, its errors and its end."""

import os

import pytest
import torch

from mmvideomamba.benchmark.isolated_process import isolated_process


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
    with isolated_process(Counter, 3) as call:
        assert call('add', 2)[0] == 5
        with pytest.raises(RuntimeError, match='no memory') as raised:
            call('fail')
        # Where it was raised shows.
        assert 'in fail' in str(raised.value.__cause__)
        count, threads, pid = call('add', 1)
        assert (count, threads) == (6, torch.get_num_threads())
        assert pid != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_the_factory_raises_is_raised():
    with pytest.raises(ValueError, match='starts at 0, got -1'):
        isolated_process(Counter, -1).__enter__()


def test_a_process_that_ends_by_itself():
    with isolated_process(Counter, 0) as call:
        for method in ('abort', 'add'):
            with pytest.raises(ChildProcessError, match='exit code -6'):
                call(method)
