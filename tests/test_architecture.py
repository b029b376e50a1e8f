"""Who may import whom: the layers of the package."""

import ast
from pathlib import Path

import pytest

import mmvideomamba

PACKAGE = Path(mmvideomamba.__file__).parent
HOST = {'mmaction', 'mmengine', 'mmcv'}

# Part -> our own parts it may import.
ALLOWED = {
    'checks': set(),
    'files': set(),
    'tables': set(),
    'registry': set(),
    'compat': {'checkpoints'},
    'version': set(),
    'video': set(),
    'progress': set(),
    'ops': set(),
    'checkpoints': {'models'},
    'models': {'ops', 'registry', 'checkpoints'},
    'visualization': {'registry', 'video', 'models'},
    'datasets': {'registry', 'video', 'progress'},
    'runner': {'registry', 'video', 'visualization'},
    'benchmark': {
        'analysis',
        'models',
        'ops',
        'registry',
        'tables',
        'version',
        'visualization',
    },
    'analysis': {
        'models',
        'ops',
        'progress',
        'registry',
        'tables',
        'video',
        'visualization',
    },
}


def imports(path):
    """Yield (top-level package, our part or None) of every import."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition('.')[0], None
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition('.')[0], node.module
        elif isinstance(node, ast.ImportFrom):
            here = path.relative_to(PACKAGE).parts[:-1]
            base = here[: len(here) - node.level + 1]
            module = [*base, *(node.module or '').split('.')]
            module = [part for part in module if part]
            if module:
                yield 'mmvideomamba', module[0]
            else:
                for alias in node.names:
                    yield 'mmvideomamba', alias.name


FILES = [
    pytest.param(path, id=str(path.relative_to(PACKAGE)))
    for path in sorted(PACKAGE.rglob('*.py'))
    if path.relative_to(PACKAGE).parts[0] not in ('__init__.py', '.mim')
]


@pytest.mark.parametrize('path', FILES)
def test_imports_follow_the_design(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix('.py')
    for top, ours in imports(path):
        if top == 'mmvideomamba':
            assert ours in ALLOWED[part] | {part, 'checks', 'files'}
        if part == 'ops':
            assert top not in HOST, 'ops know torch only'
        if part == 'checkpoints':
            assert top != 'mmaction'
        assert top not in ('tools', 'configs', 'tests')


def test_only_one_file_imports_the_hosts_registries():
    text = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob('*.py')
        if 'from mmaction.registry' in path.read_text()
    }
    assert text == {'registry.py'}
