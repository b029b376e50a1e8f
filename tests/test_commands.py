"""The command `mmvideomamba`."""

import pytest
from small_zoo import NAME, small_zoo
from tool_runner import run_command

from mmvideomamba.__main__ import COMMANDS


@pytest.mark.parametrize(
    'argument, code, said',
    [
        ('--help', 0, '\n  finetune  from a folder'),
        ('trian', 2, "invalid choice: 'trian' (choose from"),
    ],
)
def test_help_and_mistakes(argument, code, said, capsys):
    with pytest.raises(SystemExit) as exit_info:
        run_command(argument)
    assert exit_info.value.code == code
    assert said in ''.join(capsys.readouterr())


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_has_a_help(command, capsys):
    with pytest.raises(SystemExit) as exit_info:
        run_command(command, '--help')
    assert exit_info.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f'usage: mmvideomamba {command} ')
    assert f'\n    mmvideomamba {command}' in said


def test_list_names_public_weights(tmp_path, capsys):
    with small_zoo(tmp_path):
        run_command('list', '*8f*')
    title, _, header, _, row, _ = capsys.readouterr().out.splitlines()
    assert title == 'Kinetics-400; top-1: nobody'
    assert header.split('|')[-2].strip() == 'top-1 (%)'
    cells = [cell.strip() for cell in row.split('|')[1:-1]]
    assert cells == [NAME, '8', '32x32', '0.03', '0.1', '20.0']


def test_list_says_that_nothing_is_called_so():
    with pytest.raises(SystemExit, match=r"error: no public .* 'resnet\*'"):
        run_command('list', 'resnet*')
