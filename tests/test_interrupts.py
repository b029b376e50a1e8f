"""Ctrl-C ends a run, whatever it interrupts."""

import signal
import sys
import time

import pytest
from video_files import write_frames

from mmvideomamba.compat.training import deliver_swallowed_interrupts


@pytest.fixture
def unraisable(monkeypatch):
    """What Python reports of destructors; with the repair in front."""
    reported = []
    monkeypatch.setattr(
        sys, 'unraisablehook', lambda error: reported.append(error.exc_type)
    )
    deliver_swallowed_interrupts()
    return reported


class Interrupted:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


class Faulty:
    def __del__(self):
        raise ValueError


def train_on():
    """Stands for the training that must not go on."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        time.sleep(0.01)


def test_an_interrupt_in_a_destructor_is_delivered(unraisable):
    with pytest.raises(KeyboardInterrupt):
        del [Interrupted()][0]
        train_on()
    assert unraisable == []


def test_an_interrupt_while_decord_frees_a_video(
    tmp_path, monkeypatch, unraisable
):
    module = pytest.importorskip('decord.video_reader')
    reader = module.VideoReader(str(write_frames(tmp_path / 'a.mp4')))
    free = module._CAPI_VideoReaderFree

    def free_slowly(handle):
        free(handle)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(module, '_CAPI_VideoReaderFree', free_slowly)
    with pytest.raises(KeyboardInterrupt):
        del reader
        train_on()


def test_other_errors_are_reported_once(unraisable):
    deliver_swallowed_interrupts()
    del [Faulty()][0]
    assert unraisable == [ValueError]
