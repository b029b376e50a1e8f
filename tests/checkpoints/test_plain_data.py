"""A file is data: what is in it cannot make memory, objects or calls."""

import collections
import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from mmvideomamba.checkpoints import read_checkpoint


class Calls:
    """Pickles as FUNCTION(*ARGUMENTS), with a state if there is one."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments, state)[: 3 - (state is None)]

    def __reduce__(self):
        return self.reduced


def itself():
    inside = []
    inside.append(inside)
    return inside


def doubled(times):
    value = [0]
    for _ in range(times):
        value = [value, value]
    return value


def nested(times):
    value = [0]
    for _ in range(times):
        value = [value]
    return value


def with_attribute():
    value = collections.OrderedDict()
    value.notes = 3
    return value


FORGED = {
    'memory of a tensor': Calls(torch.Tensor, 10**6),
    'memory of bytes': Calls(bytearray, 10**6),
    'a tensor of a class': Calls(
        torch._tensor._rebuild_from_type_v2, str, str, (), {}
    ),
    'the class of arrays': Calls(np.ndarray, (10**6,)),
    'a dtype of objects': Calls(np.dtype, 'O'),
    'a dtype with another state': Calls(
        np.dtype, 'f8', state=(3, '<', None, None, None, 10**6, 1, 0)
    ),
    'a dtype of fields': np.zeros(2, 'f4,f4'),
    'a number of few bytes': Calls(
        np._core.multiarray.scalar, np.dtype('f8'), b'1234'
    ),
    'an array of few bytes': Calls(
        np._core.multiarray._reconstruct,
        np.ndarray,
        (0,),
        b'b',
        state=(1, (10**6,), np.dtype('f8'), False, b'1234'),
    ),
    'a history of texts': Calls(
        HistoryBuffer, state=dict(_log_history='a', _count_history='b')
    ),
    'itself': itself(),
    'a list doubled 60 times': doubled(60 // 2),
    'a list in a list': nested(100),
    'an attribute': with_attribute(),
}


@pytest.mark.parametrize('name', FORGED)
def test_forged_data_is_refused(tmp_path, name):
    path = tmp_path / 'a.pth'
    torch.save(dict(a=torch.ones(2), b=FORGED[name]), path)
    with pytest.raises(ValueError) as error:
        read_checkpoint(str(path))
    assert 'was refused' in str(error.value) or 'damaged' in str(error.value)
    assert '\n' not in str(error.value)


def test_plain_torch_load_takes_no_forged_numbers_either(tmp_path):
    path = tmp_path / 'a.pth'
    for name, forged in FORGED.items():
        if any(word in name for word in ('array', 'fields', 'number')):
            torch.save(dict(b=forged), path)
            with pytest.raises((ValueError, TypeError, pickle.PickleError)):
                torch.load(path, weights_only=True)


def test_an_array_without_numbers_is_empty(tmp_path):
    path = tmp_path / 'a.pth'
    function = np._core.multiarray._reconstruct
    torch.save(dict(b=Calls(function, np.ndarray, (10**6,), b'b')), path)
    assert read_checkpoint(str(path))['b'].size == 0


def test_arrays_and_numbers_come_back(tmp_path):
    path = tmp_path / 'a.pth'
    values = dict(
        a=np.arange(6.0).reshape(2, 3),
        b=np.asfortranarray(np.arange(6).reshape(2, 3)),
        c=np.array([True, False]),
        d=np.arange(3, dtype='>i4'),
        e=np.float32(0.5),
        f=np.zeros((0, 2)),
    )
    torch.save(values, path)
    for read in (read_checkpoint, torch.load):
        found = read(str(path))
        for name, value in values.items():
            np.testing.assert_array_equal(found[name], value)
            assert found[name].dtype == value.dtype.newbyteorder('=')
        # What was read can be saved and read anew.
        again = io.BytesIO()
        torch.save(found, again)
        assert (torch.load(io.BytesIO(again.getvalue()))['a'] == 0).sum() == 1


def test_a_history_is_one_of_mmengines_and_keeps_its_methods(tmp_path):
    path = tmp_path / 'a.pth'
    buffer = HistoryBuffer([1.0, 3.0], [1, 1])
    torch.save(dict(a=buffer), path)
    content = path.read_bytes()
    for read in (read_checkpoint, torch.load):
        found = read(str(path))['a']
        assert type(found) is HistoryBuffer and found.mean() == 2
        found.update(5.0)
        assert type(found.data[0]) is np.ndarray and found.current() == 5
    # A file that calls the minimum 'mean' changes nothing.
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {e.filename: archive.read(e) for e in archive.infolist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, part in parts.items():
            archive.writestr(
                name, part.replace(b'X\3\0\0\0max', b'X\3\0\0\0min')
            )
    assert read_checkpoint(str(path))['a'].max() == 3


def test_a_compressed_file_is_refused(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(a=torch.zeros(10**6)), path)
    with zipfile.ZipFile(path) as archive:
        parts = {e.filename: archive.read(e) for e in archive.infolist()}
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    assert path.stat().st_size < 10**5
    with pytest.raises(ValueError, match='compressed.*any size'):
        read_checkpoint(str(path))


def test_a_changed_bit_is_noticed(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(a=torch.full((1000,), 3.25)), path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.tensor(3.25).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match='its content was changed'):
        read_checkpoint(str(path))


def test_tensors_of_more_than_the_file_are_refused(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(a=torch.ones(1).expand(10**9)), path)
    with pytest.raises(ValueError, match='claim 4000000000 bytes'):
        read_checkpoint(str(path))
