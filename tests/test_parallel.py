"""Work on many files in processes: crashes, errors, and what is printed."""

import os

import pytest

from mmvideomamba.parallel import find_good, run_parallel


def half_or_die(number):
    if number == 3:
        os._exit(1)
    return number / 2


def test_a_file_that_kills_its_process_stops_nothing():
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
    with pytest.raises(raised, match=message):
        run_parallel(fail, [error], 1, on_crash=None)


def judge(name):
    return dict(bad='\x1b is bad').get(name, len(name))


def test_the_good_have_results_and_the_others_are_printed(capsys):
    assert find_good(judge, ['one', 'bad', 'four'], 2) == dict(one=3, four=4)
    assert capsys.readouterr().out == 'bad: \\x1b is bad\n'
