"""Arguments of the tools: what they take and what they refuse."""

import argparse
import os

import pytest

from mmvideomamba.cli import (
    add_run_arguments,
    file_or_url,
    make_parser,
    positive_int,
    read_run_config,
)


@pytest.mark.parametrize('text', ['0', '-1', 'one', '1.5'])
def test_counts_start_at_one(text):
    assert positive_int('3') == 3
    with pytest.raises(argparse.ArgumentTypeError, match=f"got '{text}'"):
        positive_int(text)


def test_checkpoints_are_files_or_urls():
    assert file_or_url(__file__) == __file__
    assert file_or_url('https://host/a.pth') == 'https://host/a.pth'
    with pytest.raises(argparse.ArgumentTypeError, match='no such file: no'):
        file_or_url('no')


@pytest.mark.parametrize(
    'text, arguments, work_dir',
    [
        ('', [], 'work_dirs/name'),
        ("work_dir = 'theirs'", [], 'theirs'),
        ("work_dir = 'theirs'", ['--work-dir', 'mine'], 'mine'),
        ('', ['--cfg-options', 'work_dir=option'], 'option'),
    ],
)
def test_who_decides_on_the_work_folder(tmp_path, text, arguments, work_dir):
    path = tmp_path / 'name.py'
    path.write_text(text)
    parser = make_parser('')
    add_run_arguments(parser, 'a=1')
    cfg = read_run_config(parser.parse_args([str(path), *arguments]))
    assert cfg.work_dir == work_dir and cfg.launcher == 'none'


@pytest.mark.parametrize(
    'environ, arguments, rank',
    [
        (None, ['--launcher', 'mpi'], '0'),
        (None, ['--launcher', 'pytorch', '--local-rank', '3'], '3'),
        ('1', ['--launcher', 'pytorch', '--local_rank', '3'], '1'),
        (None, [], None),
    ],
)
def test_a_launcher_may_pass_the_local_rank(
    tmp_path, monkeypatch, environ, arguments, rank
):
    path = tmp_path / 'name.py'
    path.touch()
    monkeypatch.setenv('LOCAL_RANK', environ or '')
    if environ is None:
        monkeypatch.delenv('LOCAL_RANK')
    parser = make_parser('')
    add_run_arguments(parser, 'a=1')
    read_run_config(parser.parse_args([str(path), *arguments]))
    assert os.environ.get('LOCAL_RANK') == rank
