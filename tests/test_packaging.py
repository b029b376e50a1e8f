"""What a wheel carries, and what building one leaves behind."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from mmengine.config import Config
from packaging.requirements import Requirement

import mmvideomamba

ROOT = Path(__file__).parents[1]
pytest.importorskip('setuptools', minversion='77.0.3', reason='for wheels')


def files_of(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }


def build(kind, source, out, compiler='false'):
    """Build a wheel as pip does, but in this environment; returns its path.

    Without a compiler: kernels take a minute, and must be optional.
    """
    script = 'import sys; from setuptools import build_meta as b; '
    script += f'print(b.build_{kind}(sys.argv[1]))'
    done = subprocess.run(
        [sys.executable, '-c', script, str(out)],
        cwd=source,
        env={**os.environ, 'CC': compiler, 'CXX': compiler},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """A copy of what a clone holds."""
    source = tmp_path_factory.mktemp('source') / 'mmvideomamba'
    source.mkdir()
    for name in ('configs', 'mmvideomamba', 'tools'):
        shutil.copytree(
            ROOT / name,
            source / name,
            ignore=shutil.ignore_patterns('__pycache__', '.mim', '*.so'),
        )
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    return source


@pytest.fixture(scope='module')
def built(source, tmp_path_factory):
    """A wheel, and the files that building it left in the sources."""
    before = files_of(source)
    wheel = build('wheel', source, tmp_path_factory.mktemp('wheel'))
    return zipfile.ZipFile(wheel), files_of(source) - before


@pytest.fixture(scope='module')
def wheel(built):
    return built[0]


@pytest.fixture(scope='module')
def metadata(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith('/METADATA'))
    return wheel.read(name).decode()


@pytest.fixture(scope='module')
def required(metadata):
    """The distributions an installation needs, without those of extras."""
    return set(re.findall(r'^Requires-Dist: ([\w-]+)[^;\n]*$', metadata, re.M))


def test_wheel_carries_the_package_and_what_mim_looks_for(source, wheel):
    names = set(wheel.namelist())
    packed = {n for n in names if n.startswith('mmvideomamba/')}
    mim = {n.split('.mim/')[1] for n in packed if '/.mim/' in n}
    beside = {'model-index.yml'}
    for folder in ('configs', 'tools'):
        beside |= {f'{folder}/{n}' for n in files_of(source / folder)}
    assert mim == beside
    modules = {n for n in files_of(source) if n.endswith(('.py', '.yml'))}
    modules = {n for n in modules if n.startswith('mmvideomamba/')}
    assert modules <= packed
    # Nothing else becomes importable.
    tops = {n.split('/')[0] for n in names if '.dist-info/' not in n}
    assert tops == {'mmvideomamba'}


def test_building_leaves_nothing_that_git_would_see(built):
    ignored = ('build/', 'mmvideomamba.egg-info/')
    assert not [name for name in built[1] if not name.startswith(ignored)]


def test_the_command_is_installed(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith('entry_points.txt'))
    command = 'mmvideomamba = mmvideomamba.__main__:main'
    assert command in wheel.read(name).decode().splitlines()


def test_metadata(metadata, required):
    assert f'\nVersion: {mmvideomamba.__version__}\n' in metadata
    assert '\nLicense-File: LICENSE\n' in metadata
    assert {'mmaction2', 'mmengine', 'torch'} <= required
    # Either would break an installation of the other.
    assert not {'mmcv', 'mmcv-lite', 'mmcv-full'} & required


def test_config_of_a_wheel_finds_its_bases(wheel, tmp_path):
    wheel.extractall(tmp_path)
    (path,) = tmp_path.rglob('*16_in1k-pre_8xb8-32x2x1-30e_kinetics400-rgb.py')
    assert Config.fromfile(path).model.backbone.num_frames == 32


def test_editable_install_links_to_the_sources(source, tmp_path):
    wheel = zipfile.ZipFile(build('editable', source, tmp_path))
    assert not [n for n in wheel.namelist() if n.endswith('videomamba.py')]
    mim = source / 'mmvideomamba' / '.mim'
    for name in ('configs', 'tools', 'model-index.yml'):
        assert (mim / name).is_symlink()
        assert (mim / name).samefile(source / name)


def test_scripts_install_all_that_the_package_needs(required):
    # They pin everything, and install the package without dependencies.
    pins = (ROOT / 'requirements/run.txt').read_text()
    assert required <= set(re.findall(r'^([\w-]+)==', pins, re.M))


def test_the_page_fits_what_scripts_install():
    """Gradio refuses new versions of what run.txt pins, such as Pillow's."""
    try:
        needed = list(map(Requirement, importlib.metadata.requires('gradio')))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip('no Gradio: the extra page')
    lines = (ROOT / 'requirements/run.txt').read_text().splitlines()
    pins = [Requirement(line) for line in lines if '==' in line]
    pins = [pin for pin in pins if not pin.marker or pin.marker.evaluate()]
    limits = {other.name: other.specifier for other in needed}
    shared = [pin for pin in pins if pin.name in limits]
    assert {pin.name for pin in shared} >= {'numpy', 'pillow'}
    for pin in shared:
        (exact,) = pin.specifier
        assert exact.version in limits[pin.name], pin
