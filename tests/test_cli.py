"""Arguments of the tools, what they refuse, and how a tool ends."""

import argparse
import os

import pytest

from mmvideomamba.cli import (
    add_model_arguments,
    add_run_arguments,
    file_or_url,
    make_parser,
    one_line_errors,
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
    'words, videos',
    [
        (['FOLDER', 'a.mp4', 'b.mp4'], ['a.mp4', 'b.mp4']),
        (['--out', 'x', 'FOLDER', 'a.mp4'], ['a.mp4']),
        (['FOLDER', 'FOLDER', 'a.mp4'], ['a.mp4']),
        (['FOLDER', 'other.pth', 'a.mp4'], ['a.mp4']),
        (['config.py', 'other.pth', 'FOLDER'], ['FOLDER']),
    ],
)
def test_a_model_folder_is_config_and_checkpoint(
    tmp_path, monkeypatch, words, videos
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'FOLDER').mkdir()
    for name in 'FOLDER/config.json', 'FOLDER/model.safetensors':
        (tmp_path / name).touch()
    for name in 'config.py', 'other.pth':
        (tmp_path / name).touch()
    parser = make_parser('')
    add_model_arguments(parser)
    parser.add_argument('videos', nargs='+')
    parser.add_argument('--out')
    args = parser.parse_args(words)
    assert args.videos == videos
    named = 'other.pth' in words
    weights = os.path.join('FOLDER', 'model.safetensors')
    assert args.checkpoint == ('other.pth' if named else weights)
    assert args.config == ('config.py' if 'config.py' in words else 'FOLDER')


def test_a_folder_without_weights_is_refused(tmp_path, capsys):
    (tmp_path / 'config.json').touch()
    parser = make_parser('')
    add_model_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([str(tmp_path)])
    assert 'but no model.safetensors beside it' in capsys.readouterr().err


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


@pytest.mark.parametrize('error', [ValueError, FileNotFoundError])
def test_what_a_user_can_act_on_is_one_line(error):
    @one_line_errors()
    def main():
        raise error('expected this, got that')

    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 'error: expected this, got that'


@pytest.mark.parametrize('error', [TypeError, AssertionError, KeyError])
def test_a_fault_of_the_program_keeps_its_traceback(error):
    with pytest.raises(error), one_line_errors():
        raise error


def test_nothing_happens_to_what_works():
    @one_line_errors()
    def main():
        return 3

    assert main() == 3
