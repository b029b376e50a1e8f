"""Who may import whom: one order of the package's parts, and the host."""

import ast
from pathlib import Path

import pytest

import mmvideomamba

PACKAGE = Path(mmvideomamba.__file__).parent

# From bottom to top: a part imports only parts before it. So there is no
# cycle, and a part can be read without those after it.
ORDER = (
    'waiting_threads',
    'version',
    'checks',
    'random_keys',
    'text',
    'files',
    'tables',
    'model_folder',
    'progress',
    'parallel',
    'video_files',
    'video',
    'ops',
    'cuda_graphs',
    'positions',
    'checkpoints',
    'model_zoo',
    'compat',
    'registry',
    'models',
    'visualization',
    'datasets',
    'runner',
    'apis',
    'prediction',
    'hub',
    'finetuning',
    'deployment',
    'analysis',
    'page',
    'benchmark',
    'cli',
    '__init__',
    '__main__',
)
HOST = {'mmaction', 'mmengine', 'mmcv'}
# What of the host a part does without; the others may use all of it.
DOES_WITHOUT = {
    'ops': HOST,
    'positions': HOST,
    'checkpoints': {'mmaction'},
}
OUTSIDE = {'tools', 'configs', 'tests'}

FILES = {
    path.relative_to(PACKAGE): path
    for path in sorted(PACKAGE.rglob('*.py'))
    if path.relative_to(PACKAGE).parts[0] != '.mim'
}


def part_of(path):
    return path.parts[0].removesuffix('.py')


def imported_modules(path):
    """Yield the full name of every module that a file of ours imports."""
    for node in ast.walk(ast.parse(FILES[path].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            folders = ('mmvideomamba', *path.parts[:-1])
            base = folders[: len(folders) + 1 - node.level] * (node.level > 0)
            module = '.'.join(filter(None, (*base, node.module)))
            if module == 'mmvideomamba':
                yield from (f'{module}.{alias.name}' for alias in node.names)
            else:
                yield module


@pytest.mark.parametrize('path', FILES, ids=str)
def test_a_part_imports_only_parts_before_it(path):
    part = part_of(path)
    assert part in ORDER, f'{part} has no place in the order yet'
    allowed = {part, *ORDER[: ORDER.index(part)]}
    for module in imported_modules(path):
        package, *rest = module.split('.')
        assert package not in OUTSIDE
        assert package not in DOES_WITHOUT.get(part, ())
        if package == 'mmvideomamba':
            assert rest[0] in allowed, f'{part} imports {rest[0]}'


def test_one_file_imports_the_hosts_registries():
    importers = [
        str(path)
        for path in FILES
        if 'mmaction.registry' in imported_modules(path)
    ]
    assert importers == ['registry.py']
