"""A model goes to the Hub and comes back; the Hub is a stand-in."""

import functools
import json
import sys

import pytest
import torch
from file_server import serving
from hub_stand_in import TOKEN, HubStandIn
from mmengine.config import Config
from small_models import small_recognizer

from mmvideomamba.apis import init_model
from mmvideomamba.hub import from_pretrained, make_card, push_to_hub

# Of the library, about its own use of another.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Use 'content=:DeprecationWarning"
)
pytest.importorskip('huggingface_hub', reason='the extra hub')


@pytest.fixture
def repos():
    return dict(lfs={})


@pytest.fixture
def asked():
    return []


@pytest.fixture(autouse=True)
def stand_in(tmp_path, monkeypatch, repos, asked):
    """The library reads its settings when it is imported."""
    for name in [*sys.modules]:
        if name.split('.')[0] == 'huggingface_hub':
            monkeypatch.delitem(sys.modules, name)
    handler = functools.partial(HubStandIn, repos=repos, asked=asked)
    with serving(tmp_path, handler) as url:
        for name, value in dict(
            HF_ENDPOINT=url,
            HF_HOME=str(tmp_path / 'hub'),
            HF_TOKEN=TOKEN,
            HF_HUB_DISABLE_XET='1',
            HF_HUB_DISABLE_PROGRESS_BARS='1',
        ).items():
            monkeypatch.setenv(name, value)
        yield
        library = sys.modules.get('huggingface_hub')
        if library is not None:
            library.close_session()
            for name in [*sys.modules]:
                if name.split('.')[0] == 'huggingface_hub':
                    del sys.modules[name]


@pytest.fixture(scope='module')
def model():
    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=4, num_clips=1, test_mode=True),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(32, 32), keep_ratio=False),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]
    config = dict(
        default_scope='mmaction',
        model=small_recognizer(num_classes=2, img_size=(32, 48)),
        test_dataloader=dict(dataset=dict(pipeline=pipeline)),
    )
    return init_model(Config(config), device='cpu')


def assert_same_weights(ours, theirs):
    ours, theirs = ours.state_dict(), theirs.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[k].cpu(), theirs[k].cpu()) for k in ours)


def test_a_model_is_uploaded_and_comes_back(model, repos, asked):
    url = push_to_hub(model, 'me/mine', license='apache-2.0')
    assert '/me/mine/commit/' in url
    assert {*repos['me/mine']} == {
        'README.md',
        'config.json',
        'model.safetensors',
    }
    assert_same_weights(from_pretrained('me/mine', device='cpu'), model)
    # The second time, only heads are asked for.
    asked.clear()
    assert_same_weights(from_pretrained('me/mine', device='cpu'), model)
    files = [request for request in asked if 'me/mine' in request]
    assert files and all(request.startswith('HEAD') for request in files)


def test_a_card_is_written_once(model, repos):
    push_to_hub(model, 'me/mine', license='apache-2.0')
    card = repos['me/mine']['README.md'].decode()
    _, header, text = card.split('---\n', 2)
    assert 'license: "apache-2.0"\n' in header
    assert 'pipeline_tag: video-classification\n' in header
    assert "from_pretrained('me/mine')" in text
    assert '2 classes, 4 frames of 32 x 48\npixels' in text
    repos['me/mine']['README.md'] = b'mine'
    push_to_hub(model, 'me/mine')
    assert repos['me/mine']['README.md'] == b'mine'
    said = json.loads(repos['me/mine']['config.json'])
    assert said['license'] is None
    assert 'license' not in make_card('me/mine', said)


def test_a_description_is_refused_before_its_weights_come(model, repos, asked):
    push_to_hub(model, 'me/mine')
    said = json.loads(repos['me/mine']['config.json'])
    said['model']['backbone']['type'] = 'os.system'
    repos['me/mine']['config.json'] = json.dumps(said).encode()
    with pytest.raises(ValueError, match='backbone.type: expected one of'):
        from_pretrained('me/mine')
    assert not any('GET' in line and 'model.safe' in line for line in asked)


@pytest.mark.parametrize(
    'name, error, message',
    [
        ('me/nothing', ConnectionError, 'could not download me/nothing: '),
        ('no folder', ValueError, "expected a folder or 'OWNER/NAME'"),
        ('a/b/c', ValueError, "expected a folder or 'OWNER/NAME'"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(name, error, message):
    with pytest.raises(error, match=message) as error_info:
        from_pretrained(name)
    assert '\n' not in str(error_info.value)


def test_a_wrong_token_is_said_in_one_line(model, monkeypatch):
    monkeypatch.setenv('HF_TOKEN', 'hf_another')
    with pytest.raises(ConnectionError, match='could not upload') as info:
        push_to_hub(model, 'me/mine')
    assert '\n' not in str(info.value)


def test_a_folder_that_is_none_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match='has no config.json'):
        from_pretrained(str(tmp_path))


def test_without_the_extra_its_name_is_said(model, monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    for use in (
        lambda: from_pretrained('me/mine'),
        lambda: push_to_hub(model, 'me/mine'),
    ):
        with pytest.raises(ImportError, match=r'pip install .*\[hub\]'):
            use()
