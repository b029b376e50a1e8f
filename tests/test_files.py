"""A file is complete under its name, or not there."""

import os
import stat

import pytest

from mmvideomamba.files import atomic_write, write_text


def test_a_file_appears_complete(tmp_path):
    path = tmp_path / 'new' / 'list.txt'
    with atomic_write(str(path)) as partial:
        assert partial.endswith('.txt')
        assert os.path.dirname(partial) == str(path.parent)
        with open(partial, 'w') as file:
            file.write('whole')
        assert not path.exists()
    assert path.read_text() == 'whole'
    assert os.listdir(path.parent) == ['list.txt']


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_text('old')
    with pytest.raises(RuntimeError), atomic_write(str(path)) as partial:
        with open(partial, 'w') as file:
            file.write('half')
        raise RuntimeError
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['list.txt']


def test_others_may_read_it_as_the_umask_says(tmp_path):
    path = tmp_path / 'list.txt'
    before = os.umask(0o027)
    try:
        with atomic_write(str(path)):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_text_is_utf8_whatever_the_locale(tmp_path):
    path = tmp_path / 'names.txt'
    write_text(str(path), '跑\n')
    assert path.read_bytes() == '跑\n'.encode()
