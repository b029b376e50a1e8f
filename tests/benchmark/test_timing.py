"""Timings by turns: who runs when, and what becomes of the seconds."""

from mmvideomamba.benchmark import timing
from mmvideomamba.benchmark.timing import (
    middle_half,
    seconds,
    summarize_turns,
    take_turns,
)


def test_calls_take_turns_and_slow_ones_rest():
    ran, turns = [], []

    def make(name, duration):
        def call():
            ran.append(name)
            return duration

        return call

    times = take_turns(
        dict(fast=make('fast', 1), slow=make('slow', 5)),
        turns=4,
        budget=9,
        report=turns.append,
    )
    assert times == dict(fast=[1] * 4, slow=[5] * 2)
    assert ran == ['fast', 'slow', 'fast', 'slow', 'fast', 'fast']
    assert turns == [1, 2, 3, 4]


def test_ratios_are_those_of_a_turn():
    # The machine is ten times slower in the second turn.
    timings = summarize_turns(dict(ours=[1, 10, 1], peer=[3, 30, 4]))
    assert timings['ours'].ratio == 1
    assert timings['peer'].median == 4
    assert timings['peer'].ratio == 3
    assert timings['peer'].ratio_spread == (3, 3.5)
    assert timings['peer'].fastest == 3
    assert timings['peer'].turns == 3


def test_the_middle_half():
    assert middle_half([5, 1, 2, 4, 3]) == (2, 4)
    assert middle_half([7]) == (7, 7)


def test_seconds_of_a_call(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(timing.time, 'perf_counter', lambda: clock[0])

    def call():
        clock[0] += 3

    assert seconds(call, 'cpu') == 3
