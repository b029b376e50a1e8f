"""A file is complete under its name, or not there."""

import os
import stat

import numpy as np
import pytest

from mmvideomamba.files import (
    atomic_write,
    write_bytes,
    write_json,
    write_text,
)
from mmvideomamba.video import write_video


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


def test_the_message_of_a_full_disk_has_the_space(tmp_path, monkeypatch):
    if not os.path.exists('/dev/full'):
        pytest.skip('a device of Linux')

    def link_to_a_full_device(dir, prefix, suffix):
        path = f'{dir}/{prefix}partial{suffix}'
        os.symlink('/dev/full', path)
        return os.open(path, os.O_WRONLY), path

    monkeypatch.setattr('tempfile.mkstemp', link_to_a_full_device)
    message = (
        r'^cannot write .*/a\.json: No space left on device\. 0 bytes of 5 '
        r'were written, \d+ are free on that disk; make room'
    )
    with pytest.raises(OSError, match=message):
        write_json(tmp_path / 'a.json', 1234)
    frames = np.zeros((2, 64, 64, 3), np.uint8)
    with pytest.raises(OSError, match='a.mp4: No space left on device'):
        write_video(tmp_path / 'a.mp4', frames)
    assert os.listdir(tmp_path) == []


def test_links_are_replaced_and_not_followed(tmp_path):
    (tmp_path / 'other').write_text('precious')
    for name in ('a.json', 'a.json.part', '.a.json'):
        (tmp_path / name).symlink_to('other')
    write_json(tmp_path / 'a.json', 1)
    assert (tmp_path / 'a.json').read_text() == '1\n'
    assert not (tmp_path / 'a.json').is_symlink()
    assert (tmp_path / 'other').read_text() == 'precious'


def test_a_device_or_folder_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / 'fifo')
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'link').symlink_to('/dev/null')
    for name in ('fifo', 'folder', 'link'):
        message = f'cannot write .*{name}: it is a folder or a device'
        with pytest.raises(OSError, match=message):
            write_json(tmp_path / name, 1)
    assert len(os.listdir(tmp_path)) == 3


def test_an_error_of_another_file_stays_its_own(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match='source'),
        atomic_write(tmp_path / 'copy'),
    ):
        (tmp_path / 'source').read_text()
    assert os.listdir(tmp_path) == []


def test_a_file_may_wait_for_the_disk(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(
        'os.fsync', lambda file: (synced.append(os.fstat(file)), fsync(file))
    )
    write_bytes(tmp_path / 'a.pth', b'weights', sync=True)
    file, folder = synced
    assert os.path.samestat(file, os.stat(tmp_path / 'a.pth'))
    assert os.path.samestat(folder, os.stat(tmp_path))
    write_bytes(tmp_path / 'b.pth', b'weights')
    assert len(synced) == 2
