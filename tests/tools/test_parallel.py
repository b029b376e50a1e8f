"""Workers of the data tools: crashes and errors."""

import os

import pytest
from tool_runner import TOOLS


@pytest.fixture(autouse=True)
def beside_the_tools(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS / 'data'))


def half_or_die(number):
    if number == 3:
        os._exit(1)
    return number / 2


def test_a_file_that_kills_its_process_stops_nothing():
    from parallel import run_parallel

    results = run_parallel(half_or_die, range(6), 2, on_crash='dead')
    assert results == {0: 0, 1: 0.5, 2: 1, 3: 'dead', 4: 2, 5: 2.5}
    assert list(results) == list(range(6))


def fail(error):
    raise error('expected this, got that')


@pytest.mark.parametrize(
    'error, raised, message',
    [
        (PermissionError, OSError, '^expected this, got that$'),
        (KeyError, RuntimeError, '(?s)in a worker: .*line .* in fail'),
    ],
)
def test_an_error_ends_the_loop(error, raised, message):
    from parallel import run_parallel

    with pytest.raises(raised, match=message):
        run_parallel(fail, [error], 1, on_crash=None)
