"""Timings by rounds: who runs when, and what becomes of the seconds."""

from mmvideomamba.benchmark import timing
from mmvideomamba.benchmark.timing import (
    run_rounds,
    seconds,
    summarize,
    summarize_rounds,
)


def test_calls_alternate_and_slow_ones_sit_out():
    ran, rounds = [], []

    def make(name, duration):
        def call():
            ran.append(name)
            return duration

        return call

    times = run_rounds(
        dict(fast=make('fast', 1), slow=make('slow', 5)),
        rounds=4,
        budget=9,
        report=rounds.append,
    )
    assert times == dict(fast=[1] * 4, slow=[5] * 2)
    assert ran == ['fast', 'slow', 'fast', 'slow', 'fast', 'fast']
    assert rounds == [1, 2, 3, 4]


def test_ratios_are_those_of_a_round():
    # The machine is ten times slower in the second round.
    times = dict(ours=[1, 10, 1], other=[3, 30, 4])
    timings = summarize_rounds(times)
    assert timings['ours'].ratios['ours']['median'] == 1
    other = timings['other']
    assert other.median == 4
    assert other.ratios == dict(ours=dict(median=3, iqr=(3, 3.5)))
    assert other.fastest == 3
    assert other.rounds == 3
    # Those asked for that ran.
    timings = summarize_rounds(times, ('other', 'third'))
    assert list(timings['ours'].ratios) == ['other']


def test_the_interquartile_range():
    assert summarize([5, 1, 2, 4, 3]) == dict(median=3, iqr=(2, 4))
    assert summarize([7]) == dict(median=7, iqr=(7, 7))


def test_seconds_of_a_call(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(timing.time, 'perf_counter', lambda: clock[0])

    def call():
        clock[0] += 3

    assert seconds(call, 'cpu') == 3
