"""Dumps of predictions are read as data, or refused."""

import os
import pickle

import pytest
import torch
from mmengine.evaluator import DumpResults
from mmengine.fileio import dump

from mmvideomamba.checkpoints.plain_results import read_results

SCORES = torch.tensor([[0.1, 0.9, 0.0], [0.5, 0.25, 0.25]])


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'scores.pkl')


def samples():
    return [
        dict(
            pred_score=scores,
            gt_label=torch.tensor([number]),
            halves=scores.bfloat16(),
            nothing=torch.empty(0, 3),
            img_shape=(64, 32),
        )
        for number, scores in enumerate(SCORES)
    ]


def test_what_the_host_dumps_is_read(path):
    metric = DumpResults(out_file_path=path)
    metric.process({}, samples())
    metric.evaluate(2)
    for ours, theirs in zip(read_results(path), samples()):
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            if isinstance(value, torch.Tensor):
                assert ours[name].dtype == value.dtype
                assert torch.equal(ours[name], value)
            else:
                assert ours[name] == value


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize(
    'content, message',
    [
        (Call(os.mkdir, 'ran'), r'refused: .* call posix.mkdir'),
        ([Call(eval, '1')], r'refused: .* call eval'),
        ([dict(a=torch.nn.Linear(1, 1))], 'refused: .* call torch.nn'),
        (3, 'expected a list with a dict for each sample, .* got a int'),
        ([3], 'expected a list with a dict for each sample'),
        ([dict(a=torch.zeros(2).expand(10**9, 2))], 'refused: its tensors'),
    ],
)
def test_what_is_no_dump_is_refused(
    path, content, message, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    dump(content, path)
    with pytest.raises(ValueError, match=message):
        read_results(path)
    assert not (tmp_path / 'ran').exists()


def forged(old, new):
    content = pickle.dumps(samples(), protocol=2)
    assert old in content
    return content.replace(old, new)


@pytest.mark.parametrize(
    'content, message',
    [
        (b'', 'damaged or no dump'),
        (b'hello', 'damaged or no dump'),
        (pickle.dumps(samples(), protocol=2)[:-40], 'damaged or no dump'),
        # Other numbers than there are bytes, or of a kind that is none.
        (forged(b'FloatStorage', b'DoubleStorage'), 'damaged or no dump'),
        (forged(b'BFloat16Storage', b'UntypedStorage_'), 'no dump|refused'),
        (
            forged(b'torch._utils\n_rebuild_tensor_v2', b'os\nsystem'),
            'refused: .* call os.system',
        ),
    ],
)
def test_a_damaged_dump_is_refused(path, content, message):
    with open(path, 'wb') as file:
        file.write(content)
    with pytest.raises(ValueError, match=message) as error_info:
        read_results(path)
    assert '\n' not in str(error_info.value)


def test_a_tensor_of_forged_numbers_is_refused(path):
    for forge in (
        lambda numbers: numbers[:-4],
        lambda numbers: numbers.replace(b'FloatStorage', b'HalfStorage'),
        lambda numbers: numbers.replace(b'torch\nFloatStorage', b'os\nsystem'),
        lambda numbers: b'',
    ):
        storage = torch.ones(3).__reduce_ex__(2)[1][0]
        read, (numbers,) = storage.__reduce__()
        tensor = torch._utils._rebuild_tensor_v2
        numbers = Call(read, forge(numbers))
        dump([dict(a=Call(tensor, numbers, 0, (3,), (1,), False, {}))], path)
        with pytest.raises(ValueError, match='refused|no dump'):
            read_results(path)
