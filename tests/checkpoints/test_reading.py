"""What is read, from where, and what is refused with which words."""

import http.server
import os
import pickle

import pytest
import torch
from file_server import serving
from mmengine.runner import CheckpointLoader
from safetensors.torch import save_file
from small_checkpoints import make_state, save_flat, save_vim

from mmvideomamba.checkpoints import read_checkpoint
from mmvideomamba.checkpoints.reading import download
from mmvideomamba.models import VideoMamba


class Malicious:
    """Unpickled, it makes a file."""

    def __init__(self, proof):
        self.proof = str(proof)

    def __reduce__(self):
        return os.mkdir, (self.proof,)


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """A folder on 127.0.0.1: (folder, its URL, the paths asked for)."""
    folder = tmp_path / 'served'
    folder.mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

        def do_GET(self):
            if 'cut-short' not in self.path:
                return super().do_GET()
            content = (folder / 'model.pth').read_bytes()
            self.send_response(200)
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            self.wfile.write(content[:100])

    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'hub'))
    with serving(folder, Handler) as url:
        yield folder, url, asked


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_safetensors_and_torch_files_are_told_by_content(tmp_path):
    state = make_state(16)
    save_file(state, tmp_path / 'a.pth')
    save_flat(tmp_path / 'b.safetensors', state)
    assert same(read_checkpoint(str(tmp_path / 'a.pth')), state)
    assert same(read_checkpoint(str(tmp_path / 'b.safetensors')), state)


def test_safetensors_that_begin_like_a_pickle(tmp_path):
    state, path = dict(a=torch.ones(1)), tmp_path / 'a.safetensors'
    for padding in range(0, 512, 8):
        save_file(state, path, dict(note=' ' * padding))
        if path.read_bytes().startswith(b'\x80'):
            break
    assert path.read_bytes().startswith(b'\x80')
    assert same(read_checkpoint(str(path)), state)


def test_file_of_the_old_torch_format(tmp_path):
    state = make_state(16)
    torch.save(state, tmp_path / 'a.pth', _use_new_zipfile_serialization=False)
    assert same(read_checkpoint(str(tmp_path / 'a.pth')), state)


def test_training_arguments_are_read_here_and_nowhere_else(tmp_path):
    path = save_vim(tmp_path / 'a.pth', make_state(16))
    assert read_checkpoint(path)['args'].opt == 'adamw'
    with pytest.raises(pickle.UnpicklingError, match='argparse.Namespace'):
        torch.load(path, weights_only=True)


@pytest.mark.parametrize('how', ['zip', 'old', 'bare'])
def test_malicious_pickle_is_refused(tmp_path, how):
    path, proof = tmp_path / 'a.pth', tmp_path / 'proof'
    content = dict(model=make_state(16), args=Malicious(proof))
    if how == 'bare':
        path.write_bytes(pickle.dumps(content['args'], protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == 'zip')
    for read in (read_checkpoint, CheckpointLoader.load_checkpoint):
        with pytest.raises(ValueError, match=r'was refused: .*\.mkdir'):
            read(str(path))
    backbone = VideoMamba(
        'tiny', init_cfg=dict(type='Pretrained', checkpoint=str(path))
    )
    with pytest.raises(ValueError, match='do not open it'):
        backbone.init_weights()
    assert not proof.exists()
    torch.load(path, weights_only=False) if how != 'bare' else pickle.loads(
        path.read_bytes()
    )
    assert proof.exists()  # so it was a real one


def test_getattr_is_open_to_the_runner_alone(tmp_path):
    # What the message hub's pickles need; on other objects, a way to any code.
    torch.save(dict(a=[].append), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='was refused: .* call getattr'):
        read_checkpoint(str(tmp_path / 'a.pth'))


def test_code_in_the_runner_meta_is_refused(tmp_path):
    # Runner.resume would run this string as a Python config.
    torch.save(
        dict(state_dict={}, meta=dict(config='import os')),
        tmp_path / 'a.pth',
    )
    with pytest.raises(ValueError, match="'config' in its meta"):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))


BAD_FILES = {
    'empty': (b'', 'is empty'),
    'page': (b'<!doctype html><html>', 'web page .* /resolve/'),
    'pointer': (b'version https://git-lfs.github.com/spec/v1', 'git lfs pull'),
    'text': (b'loss: 0.5', r"begins with b'loss: 0.'"),
    'header': (b'\x40\0\0\0\0\0\0\0{"a":', 'damaged or incomplete'),
    'pickle': (b'\x80\x02}', 'damaged or incomplete'),
}


@pytest.mark.parametrize('name', BAD_FILES)
def test_file_that_is_no_checkpoint(tmp_path, name):
    content, message = BAD_FILES[name]
    path = tmp_path / 'vim_t_midclstok_76p1acc.pth'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_checkpoint(str(path))
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('keep', [0.999, 0.5, 0.01])
@pytest.mark.parametrize('save', [torch.save, save_file])
def test_truncated_file(tmp_path, keep, save):
    path = tmp_path / 'a.pth'
    save(make_state(16), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ValueError, match='damaged or incomplete'):
        read_checkpoint(str(path))


def test_missing_file_names_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no checkpoint'):
        read_checkpoint(str(tmp_path / 'a.pth'))


def test_url_is_downloaded_once(serve):
    folder, url, asked = serve
    state = make_state(16)
    save_flat(folder / 'model.pth', state)
    for _ in range(2):
        content = read_checkpoint(f'{url}/model.pth?download=true')
        assert same(content, state)
    assert len(asked) == 1


def test_a_download_is_counted(serve):
    folder, url, _ = serve
    save_flat(folder / 'model.pth', dict(weight=torch.ones(600_000)))
    size = (folder / 'model.pth').stat().st_size
    counted = []
    for _ in range(2):
        download(f'{url}/model.pth', lambda *count: counted.append(count))
    megabyte = 1 << 20
    assert counted == [(n, size) for n in (megabyte, 2 * megabyte, size)]


def test_files_of_one_name_at_two_addresses_are_kept_apart(serve):
    folder, url, _ = serve
    states = [make_state(16, seed=seed) for seed in (0, 1)]
    for name, state in zip('ab', states):
        (folder / name / 'resolve/main').mkdir(parents=True)
        save_file(state, folder / name / 'resolve/main/model.safetensors')
    for name, state in zip('ab', states):
        content = read_checkpoint(
            f'{url}/{name}/resolve/main/model.safetensors'
        )
        assert same(content, state)


def test_malicious_file_behind_a_url_is_refused_by_the_runner_too(
    serve, tmp_path
):
    folder, url, _ = serve
    torch.save(Malicious(tmp_path / 'proof'), folder / 'a.pth')
    with pytest.raises(ValueError, match='was refused'):
        CheckpointLoader.load_checkpoint(f'{url}/a.pth')
    assert not (tmp_path / 'proof').exists()


def test_nothing_bad_is_kept_of_a_download(serve, tmp_path):
    folder, url, _ = serve
    save_flat(folder / 'model.pth', make_state(16))
    (folder / 'page.pth').write_text('<html>not found</html>')
    with pytest.raises(ConnectionError, match='IncompleteRead'):
        read_checkpoint(f'{url}/cut-short/model.pth')
    with pytest.raises(ConnectionError, match='404.*give its path'):
        read_checkpoint(f'{url}/absent.pth')
    with pytest.raises(ValueError, match='web page'):
        read_checkpoint(f'{url}/page.pth')
    assert not list((tmp_path / 'hub').rglob('*.pth'))


def test_one_process_of_a_machine_downloads(serve, monkeypatch):
    folder, url, asked = serve
    save_flat(folder / 'model.pth', make_state(16))
    waited = []

    def barrier_while_the_first_downloads():
        if os.environ['LOCAL_RANK'] == '1':
            assert not asked
            monkeypatch.setenv('LOCAL_RANK', '0')
            read_checkpoint(f'{url}/model.pth')
        waited.append(os.environ['LOCAL_RANK'])

    monkeypatch.setattr(
        'mmvideomamba.checkpoints.reading.barrier',
        barrier_while_the_first_downloads,
    )
    monkeypatch.setenv('LOCAL_RANK', '1')
    read_checkpoint(f'{url}/model.pth')
    assert len(asked) == 1
    # A failure of the first does not leave the others waiting.
    waited.clear()
    with pytest.raises(ConnectionError):
        read_checkpoint(f'{url}/absent.pth')
    assert waited == ['0']


def test_no_network(monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    with pytest.raises(ConnectionError, match='Check the address and the'):
        read_checkpoint('http://127.0.0.1:9/model.pth')
