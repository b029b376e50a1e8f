"""OpenMP's threads are told to give way: before torch, if nobody else has."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmvideomamba import waiting_threads


@pytest.fixture
def environment(monkeypatch):
    """One without settings, in a process that has not imported torch."""
    for name in ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'):
        monkeypatch.setenv(name, '')  # and as it was, after the test
    monkeypatch.delitem(sys.modules, 'torch')
    return monkeypatch


def test_before_torch_is_imported(environment):
    assert waiting_threads.shorten_waits()
    assert os.environ['GOMP_SPINCOUNT'] == '1000'
    # A child of this process has a setting already.
    assert not waiting_threads.shorten_waits()


def test_not_once_torch_is_there(environment):
    environment.setitem(sys.modules, 'torch', object())
    assert not waiting_threads.shorten_waits()
    assert not os.environ['GOMP_SPINCOUNT']


@pytest.mark.parametrize('name', ['GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'])
def test_the_users_choice_stays(environment, name):
    environment.setenv(name, 'PASSIVE')
    assert not waiting_threads.shorten_waits()
    assert os.environ[name] == 'PASSIVE'


def test_the_package_does_so_first():
    program = (
        'import sys\n'
        'class Found:\n'
        '    def find_spec(name, *_):\n'
        '        if name == "torch":\n'
        '            import os\n'
        '            sys.exit(os.environ.get("GOMP_SPINCOUNT"))\n'
        'sys.meta_path.insert(0, Found)\n'
        'import mmvideomamba\n'
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')
    }
    run = subprocess.run(
        [sys.executable, '-c', program],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr.strip() == '1000'


def test_tools_import_the_package_before_torch():
    """Directly, or through what brings torch."""
    tools = Path(__file__).parents[1] / 'tools'
    brings = {'torch', 'mmengine', 'mmcv', 'mmaction'}
    found = 0
    for path in tools.rglob('*.py'):
        if (path.parent / '__init__.py').exists() and path.stem != '__main__':
            continue  # of a package, whose __main__ comes first
        roots = [
            (name or '').split('.')[0]
            for node in ast.parse(path.read_text()).body
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        ]
        first = next((r for r in roots if r in {*brings, 'mmvideomamba'}), '')
        assert first not in brings, path
        found += first == 'mmvideomamba'
    assert found > 10
