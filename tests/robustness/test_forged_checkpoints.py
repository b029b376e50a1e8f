"""Checkpoints with one thing wrong: refused in a line, or harmless."""

import copy
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from small_runs import small_runner, weights_of


@pytest.fixture(scope='module')
def sound(tmp_path_factory):
    """A checkpoint of an epoch, with averaged weights and a best score."""
    folder = tmp_path_factory.mktemp('sound')
    small_runner(
        folder,
        scores=(0.5,),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        default_hooks=dict(
            logger=None,
            checkpoint=dict(type='CheckpointHook', save_best='acc'),
        ),
        custom_hooks=[dict(type='EMAHook')],
    ).train()
    return folder / 'epoch_1.pth'


def places(value, path=()):
    """All places in nested containers, as (container, key)."""
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    elif hasattr(value, '_log_history'):
        value = vars(value)
        entries = list(value.items())
    else:
        return
    for key, entry in entries:
        yield value, key
        yield from places(entry)


def odd_values(random, sentinel):
    """Values that may be where others are expected."""
    size = int(random.integers(0, 7))
    integers = torch.arange(size)
    floats = torch.randn(size)
    return [
        *(None, True, -1, 0, 10**9, -(2**70), 1e300, 'x', b'x', '', [], {}),
        *(float('nan'), float('inf'), np.float64('nan'), np.int64(-3)),
        *([[[]]], {1: 2}, {'a': {}}, ('a', 1), {3}, 'http://127.0.0.1:9/a'),
        *(str(sentinel), str(sentinel.parent), '../' * 30 + 'etc/passwd'),
        *(floats, floats.double() * 1e300, floats * float('nan'), integers),
        *(floats.to(torch.complex64), integers.bool(), integers.char()),
        *(torch.ones(1).expand(5), torch.ones(10)[::2], torch.zeros(())),
        floats.to_sparse(),
        torch.ones(5, device='meta'),
        torch.quantize_per_tensor(torch.ones(5), 0.1, 0, torch.quint8),
        torch.nn.Parameter(floats),
        np.arange(size) * 1.5,
        OrderedDict(a=floats),
        torch.float32,
        torch.Size([1, 2]),
    ]


def forge(path, content, random, sentinel):
    """Write a copy of `content` with one thing wrong; say what."""
    content = copy.deepcopy(content)
    container, key = list(places(content))[
        random.integers(len(list(places(content))))
    ]
    how = random.integers(10)
    if how == 0:
        del container[key]
        what = f'no {key!r}'
    elif how == 1 and isinstance(container, dict):
        container[int(random.integers(9))] = container.pop(key)
        what = f'another name for {key!r}'
    else:
        values = odd_values(random, sentinel)
        value = values[random.integers(len(values))]
        container[key] = value
        what = f'{type(value).__name__} as {key!r}'
    torch.save(content, path)
    damage = random.integers(12)
    data = bytearray(path.read_bytes())
    if damage == 0:
        del data[int(random.integers(len(data))) :]
    elif damage == 1:
        data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
    path.write_bytes(data)
    if damage == 2:
        compress(path)
    return what


def compress(path):
    with zipfile.ZipFile(path) as archive:
        parts = {e.filename: archive.read(e) for e in archive.infolist()}
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


@pytest.mark.filterwarnings('ignore:torch.quantize_per_tensor')
def test_forged_checkpoints(campaign, sound, tmp_path):
    content = torch.load(sound)
    sentinel = tmp_path / 'sentinel' / 'best_acc_epoch_1.pth'
    sentinel.parent.mkdir()
    sentinel.write_text('of another run')
    for case in campaign.cases(60, as_test=12):
        with case:
            path = tmp_path / f'{case.seed}.pth'
            work_dir = tmp_path / f'{case.seed}'
            print(forge(path, content, case.random, sentinel))
            runner = small_runner(
                work_dir,
                scores=(0.6,),
                load_from=str(path),
                resume=True,
                default_hooks=dict(
                    logger=None,
                    checkpoint=dict(type='CheckpointHook', save_best='acc'),
                ),
                custom_hooks=[dict(type='EMAHook')],
            )
            before = {*tmp_path.iterdir()}
            try:
                runner.train()
            except (ValueError, OSError) as error:
                assert '\n' not in str(error)
                assert not list(work_dir.glob('*.pth'))
                assert runner.iter == 0 or runner.epoch == 1
                case.outcome('refused')
            else:
                assert runner.epoch == 2
                assert weights_of(runner).isfinite().all()
                case.outcome('resumed')
            assert {*tmp_path.iterdir()} == before
            assert sentinel.read_text() == 'of another run'
