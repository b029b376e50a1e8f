"""A bar on a terminal, few lines in a log, and the items as they are."""

import pytest

from mmvideomamba.progress import track


def test_a_log_gets_few_lines(capsys):
    assert list(track(iter(range(1440)), 1440)) == list(range(1440))
    out, err = capsys.readouterr()
    assert out == ''
    lines = err.splitlines()
    assert [line.split(',')[0] for line in lines] == [
        f'{done}/1440' for done in range(144, 1441, 144)
    ]
    assert lines[-1].endswith(', 0 s to go')


@pytest.mark.parametrize('total', [1, 7, 10, 13, 99, 101])
def test_a_log_says_when_all_is_done(total, capsys):
    list(track(range(total), total))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == min(total, 10)
    assert lines[-1].startswith(f'{total}/{total},')


def test_nothing_to_do(capsys):
    assert list(track([], 0)) == []
    assert capsys.readouterr().err == ''


def test_a_terminal_gets_one_line_that_moves(capsys, monkeypatch):
    monkeypatch.setattr('sys.stderr.isatty', lambda: True)
    assert list(track('abc', 3)) == ['a', 'b', 'c']
    err = capsys.readouterr().err
    assert err.count('\r') == 3 and err.count('\n') == 1
    assert err.endswith('\n')
    assert '3/3' in err
