"""The code in the pages: commands that parse, names that can be imported.

Our tools parse their arguments in this process, in a folder with the files
that the pages speak of. test_tutorials.py runs the tutorials.
"""

import argparse
import ast
from unittest import mock

import pytest
import torch
from packaging.requirements import Requirement
from pages import ROOT, commands, fences
from tool_runner import run_command, run_tool

from mmvideomamba.model_zoo import find_model

# What a reader has, or gets from a command before.
FILES = [
    'CONFIG.py',
    'CHECKPOINT.pth',
    'VIDEO.mp4',
    'clip.mp4',
    'long.mp4',
    'scores.pkl',
    'model.onnx',
    'vim_s_midclstok_80p5acc.pth',
    'work_dirs/NAME/epoch_30.pth',
    'work_dirs/CONFIG/epoch_30.pth',
    'data/kinetics400/videos_train/a.mp4',
    'data/kinetics400/kinetics400_train_list_videos.txt',
    'downloads/k400/train/a.mp4',
    'data/own/videos/orbit/a.mp4',
    'work_dirs/my_videos/finetune.py',
    'work_dirs/videos/finetune.py',
    'published/videomamba-small-mine/model.safetensors',
    'few.py',
    'windows.py',
    'work_dirs/quickstart/epoch_20.pth',
    'work_dirs/shapes.onnx',
    'data/motion_shapes/videos/orbit_clockwise/test_00004.mp4',
]
FOLDERS = ('configs', 'docs', 'mmvideomamba', 'tests', 'tools')
# One of the choices for which a page has a word.
CHOICES = {'ABLATION': 'models'}
# Programs that are not ours.
OTHERS = ('cd', 'clang-format', 'git', 'grep')


class Parsed(BaseException):
    """A tool has read its arguments."""


@pytest.fixture(scope='module')
def reader(tmp_path_factory):
    """The folder of someone who has done what the pages say."""
    folder = tmp_path_factory.mktemp('reader')
    for name in FOLDERS:
        (folder / name).symlink_to(ROOT / name)
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize('fence', fences('bash', 'shell'), ids=str)
def test_commands_parse(fence, reader, monkeypatch, capsys, pytestconfig):
    monkeypatch.chdir(reader)
    # What needs a GPU parses without.
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    for words in commands(fence.text):
        for word in words:
            if word.split('/')[0] in FOLDERS and '/' in word:
                assert (ROOT / word).exists(), word
        try:
            check(*words, options=vars(pytestconfig.option))
        except SystemExit as error:
            pytest.fail(f'{words}: {error.code} {capsys.readouterr().err}')


def check(program, *words, options):
    """There is such a command, and it takes these arguments."""
    if program == 'python' and words[:2] == ('-m', 'pytest'):
        program, words = 'pytest', words[2:]
    if program == 'mmvideomamba':
        check_arguments(run_command, *words)
    elif program == 'torchrun':
        (start,) = (n for n, word in enumerate(words) if word[-3:] == '.py')
        check('python', *words[start:], options=options)
    elif program == 'python' and words[0].startswith('tools/'):
        check_arguments(run_tool, words[0][len('tools/') :], *words[1:])
    elif program == 'python' and words[0] == '-c':
        compile(words[1], '-c', 'exec')
    elif program == 'bash':
        check_script(*words)
    elif program == 'pip':
        check_packages(*words)
    elif program == 'pytest':
        for word in words:
            if word.startswith('--'):
                assert word[2:].replace('-', '_') in options, word
    else:
        assert program in OTHERS or (ROOT / words[0]).is_file()


def check_arguments(run, *words):
    """Start a tool, which ends when it has parsed its arguments."""
    parse_args = argparse.ArgumentParser.parse_args

    def parse(self, *arguments):
        args = parse_args(self, *arguments)
        if self.prog == 'mmvideomamba':
            return args  # those of the command come next
        raise Parsed(args)

    with (
        mock.patch('argparse.ArgumentParser.parse_args', parse),
        pytest.raises(Parsed) as parsed,
    ):
        run(*(CHOICES.get(word, word) for word in words))
    name = str(getattr(parsed.value.args[0], 'config', ''))
    if name.startswith('videomamba-') and name[-3:] != '.py':
        find_model(name)


def check_script(script, *words):
    """A script of tools/ is there; what it starts takes the arguments."""
    assert (ROOT / script).is_file()
    if script == 'tools/dist_train.sh':
        config, processes, *more = words
        int(processes)
        check_arguments(run_tool, 'train.py', config, *more)
    elif script == 'tools/dist_test.sh':
        config, checkpoint, processes, *more = words
        int(processes)
        check_arguments(run_tool, 'test.py', config, checkpoint, *more)


def check_packages(command, *words):
    """pip is asked for names with versions, or for this package."""
    assert command in ('install', 'download')
    if '-r' in words:
        assert (ROOT / words[-1]).is_file()
        return
    for word in words:
        if word.startswith('.['):
            extra = word[2:-1]
            assert f'\n{extra} = [' in (ROOT / 'pyproject.toml').read_text()
        elif word[0] not in '-.':
            Requirement(word)


@pytest.mark.parametrize('fence', fences('python'), ids=str)
def test_python_compiles_and_its_imports_are_there(fence):
    tree = ast.parse(fence.text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            exec(ast.unparse(node), {})
