"""Run scripts of tools/ and commands in this process, as from a shell."""

import runpy
import sys
from pathlib import Path
from unittest import mock

import pytest

from mmvideomamba.__main__ import main

TOOLS = Path(__file__).parents[1] / 'tools'


def run_tool(script, *arguments):
    """Run `tools/SCRIPT` with command-line arguments."""
    path = str(TOOLS / script)
    argv = [path, *map(str, arguments)]
    # A script finds its neighbours, as it does when python starts it.
    search = [str(Path(path).parent), *sys.path]
    with mock.patch('sys.argv', argv), mock.patch('sys.path', search):
        runpy.run_path(path, run_name='__main__')


def run_command(*arguments):
    """Run `mmvideomamba` with command-line arguments."""
    with mock.patch('sys.argv', ['mmvideomamba', *map(str, arguments)]):
        main()


def assert_refused(capsys, message, script, *arguments):
    """The script exits with an error status and one line that says why."""
    with pytest.raises(SystemExit) as exit_info:
        run_tool(script, *arguments)
    code = exit_info.value.code
    assert code not in (0, None)
    said = code if isinstance(code, str) else capsys.readouterr().err
    assert message in said.splitlines()[-1]
