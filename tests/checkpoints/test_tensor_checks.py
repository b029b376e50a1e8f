"""Values that are no weights: all named, in one error, nothing loaded."""

import pytest
import torch
from mmengine.runner import load_checkpoint
from small_models import small_recognizer

from mmvideomamba.checkpoints import identify, read_checkpoint
from mmvideomamba.registry import MODELS

NAME = 'backbone.layers.0.mixer.x_proj'
ODD = {
    'complex': lambda t: t.to(torch.complex64),
    'bool': lambda t: t.bool(),
    'int8': lambda t: t.char(),
    'int64': lambda t: t.long(),
    'sparse': lambda t: t.to_sparse(),
    'quantized': lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.quint8),
    'meta': lambda t: t.to('meta'),
    'NaN': lambda t: t * float('nan'),
    'infinite': lambda t: t + float('inf'),
    'too large': lambda t: t.double() * 1e300 + 1e300,
    'list': lambda t: [1.0],
    'None': lambda t: None,
}


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    return MODELS.build(small_recognizer())


def save(path, model, odd, name=NAME):
    state = model.state_dict()
    state[name] = ODD[odd](state[name])
    torch.save(dict(state_dict=state, meta={}), path)
    return str(path)


@pytest.mark.filterwarnings('ignore:torch.quantize_per_tensor')
@pytest.mark.parametrize('odd', ODD)
@pytest.mark.parametrize('name', [NAME, 'cls_head.fc_cls.weight'])
def test_what_is_no_weight_is_named_and_nothing_loaded(
    tmp_path, model, odd, name
):
    path = save(tmp_path / 'a.pth', model, odd, name)
    torch.manual_seed(1)
    other = MODELS.build(small_recognizer())
    before = {k: v.clone() for k, v in other.state_dict().items()}
    with pytest.raises(ValueError, match=name) as error:
        load_checkpoint(other, path, logger='silent')
    assert '\n' not in str(error.value)
    after = other.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    if odd == 'int64':
        return  # ours has one; `fit_backbone` has compared
    with pytest.raises(ValueError, match=name.split('.', 1)[1]):
        identify(read_checkpoint(path), path)


@pytest.mark.parametrize('odd', ['NaN', 'complex', 'None'])
def test_a_start_from_it_is_refused(tmp_path, model, odd):
    config = small_recognizer(
        init_cfg=dict(
            type='Pretrained', checkpoint=save(tmp_path / 'a.pth', model, odd)
        )
    )
    with pytest.raises(ValueError, match='x_proj'):
        MODELS.build(config).init_weights()


def test_all_are_listed_in_one_error(tmp_path, model):
    state = model.state_dict()
    state[NAME] = None
    state['cls_head.fc_cls.bias'] = state['cls_head.fc_cls.bias'].bool()
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    with pytest.raises(ValueError) as error:
        load_checkpoint(model, str(tmp_path / 'a.pth'), logger='silent')
    assert NAME in str(error.value) and 'fc_cls.bias' in str(error.value)


@pytest.mark.parametrize(
    'content', [[1], dict(state_dict=[1]), {3: torch.ones(1)}, 5, None]
)
def test_what_is_no_state_dict_is_refused(tmp_path, model, content):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='a dict of names and tensors'):
        load_checkpoint(model, str(tmp_path / 'a.pth'), logger='silent')


@pytest.mark.parametrize('dtype', [torch.float16, torch.float64])
def test_floats_of_another_width_are_loaded(tmp_path, model, dtype):
    state = model.state_dict()
    state[NAME] = state[NAME].to(dtype)
    expected = state[NAME].float()
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    load_checkpoint(model, str(tmp_path / 'a.pth'), logger='silent')
    assert torch.equal(model.state_dict()[NAME], expected)


def test_a_name_that_would_move_the_cursor_is_shown_escaped(tmp_path, model):
    state = model.state_dict()
    state['\x1b[2Jweight'] = torch.ones(1)
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r"'\\x1b\[2Jweight' is not named"):
        load_checkpoint(model, str(tmp_path / 'a.pth'), logger='silent')
