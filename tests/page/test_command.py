"""`mmvideomamba page`: what it refuses at once."""

import socket
import sys
from urllib.request import getproxies_environment

import pytest
from tool_runner import run_command

from mmvideomamba.page.server import bypass_proxies, copy_samples


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """A working directory without a quickstart."""
    monkeypatch.chdir(tmp_path)


def refused(*arguments):
    with pytest.raises(SystemExit) as exit_info:
        run_command('page', *arguments)
    return exit_info.value.code


def test_without_a_model_it_says_how_to_get_one():
    assert refused() == (
        'error: there is no work_dirs/quickstart: bash tools/quickstart.sh '
        'makes it in minutes, or name a model: mmvideomamba page MODEL'
    )


def test_without_gradio_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    assert refused(tmp_path) == (
        'error: the page needs the extra page: pip install '
        "'mmvideomamba[page]', or pip install 'gradio>=6.31,<7'"
    )


def test_the_port_has_to_be_free(tmp_path, monkeypatch):
    # Any module will do.
    monkeypatch.setitem(sys.modules, 'gradio', pytest)
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        assert refused(tmp_path, '--port', port) == (
            f'error: cannot listen at 127.0.0.1, port {port}: Address already '
            'in use. Name another with --port or --host'
        )


def test_models_need_weights(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'gradio', pytest)
    name = 'videomamba-nano-p16_1xb32-8x4x1-30e_motionshapes-rgb'
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    assert refused(name, '--port', port).startswith(
        f'error: {name} comes without weights: name a checkpoint after it'
    )


@pytest.mark.parametrize('name', ['no_proxy', 'NO_PROXY'])
def test_proxies_of_other_hosts_stay(monkeypatch, name):
    for variable in ('no_proxy', 'NO_PROXY'):
        monkeypatch.setenv(variable, '')
    monkeypatch.setenv(name, 'intranet')
    bypass_proxies('localhost', '127.0.0.1')
    assert getproxies_environment()['no'] == 'intranet,localhost,127.0.0.1'


def test_copies_of_samples_have_names_of_their_own(tmp_path):
    original = tmp_path / 'secret.avi'
    original.write_text('frames')
    (tmp_path / 'copies').mkdir()
    copies = copy_samples({'run': str(original)}, f'{tmp_path}/copies')
    assert copies == {'run': f'{tmp_path}/copies/sample_0.avi'}
    assert (tmp_path / 'copies/sample_0.avi').read_text() == 'frames'
