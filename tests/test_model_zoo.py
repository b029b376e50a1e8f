"""Models by name: what is listed, and what is built and loaded."""

from pathlib import Path

import pytest
import torch
from mmaction.apis import MMAction2Inferencer
from mmengine import hub
from mmengine.config import Config
from small_checkpoints import save_wrapped
from small_zoo import CONFIG, NAME, OPTIONS, ROOT, small_state, small_zoo
from video_files import write_frames

from mmvideomamba import get_model, list_models, recognize


@pytest.fixture
def state():
    return small_state()


@pytest.fixture
def zoo(tmp_path):
    """A folder with the metafile of one small model, its weights served."""
    with small_zoo(tmp_path):
        yield tmp_path


@pytest.fixture
def video(tmp_path):
    return write_frames(tmp_path / 'video.mp4')


def test_public_weights_are_listed_with_what_is_said_of_them():
    models = {model.name: model for model in list_models()}
    assert len(models) == 32
    tiny = models[NAME]
    assert tiny[1:9] == (
        'Kinetics-400',
        8,
        '224x224',
        7.03,
        14.5,
        76.9,
        'OpenGVLab, not reproduced',
        'https://huggingface.co/OpenGVLab/VideoMamba/resolve/main/'
        'videomamba_t16_k400_f8_res224.pth',
    )
    assert Path(tiny.config).samefile(ROOT / CONFIG)
    assert tiny.cfg_options['model.backbone.arch'] == 'tiny'
    assert [m.name for m in list_models('*tiny*-8f_kin*')] == [NAME]
    assert list_models('resnet*') == []


def test_the_named_model_is_built_and_its_weights_downloaded(zoo, state):
    model = get_model(NAME)
    assert not model.training
    assert torch.equal(model.cls_head.fc_cls.weight, state['head.weight'])
    assert torch.equal(model.backbone.norm.weight, state['norm_f.weight'])


def test_other_classes_start_with_a_new_head(zoo, state):
    model = get_model(NAME, num_classes=3)
    assert model.cls_head.fc_cls.weight.shape == (3, 32)
    assert torch.equal(model.backbone.norm.weight, state['norm_f.weight'])


def test_features_without_a_head(zoo, state):
    backbone = get_model(NAME, out_type='featmap')
    assert torch.equal(backbone.norm.weight, state['norm_f.weight'])
    with torch.no_grad():
        assert backbone(torch.zeros(1, 3, 8, 32, 32)).shape == (1, 32, 8, 2, 2)


def test_random_weights_or_those_of_a_file(zoo, state, tmp_path):
    random = get_model(NAME, pretrained=False)
    assert not torch.equal(random.cls_head.fc_cls.weight, state['head.weight'])
    other = {name: tensor + 1 for name, tensor in state.items()}
    path = save_wrapped(tmp_path / 'other.pth', other)
    model = get_model(NAME, pretrained=path)
    assert torch.equal(model.cls_head.fc_cls.weight, other['head.weight'])


def test_a_training_is_named_by_its_folder(zoo, tmp_path, state):
    work = tmp_path / 'work'
    work.mkdir()
    config = Config.fromfile(str(ROOT / CONFIG))
    config.merge_from_dict(OPTIONS)
    config.dump(str(work / 'mine.py'))
    with pytest.raises(ValueError, match='comes without weights'):
        get_model(str(work))
    torch.save(get_model(NAME).state_dict(), work / 'best_acc_epoch_2.pth')
    weight = get_model(str(work)).cls_head.fc_cls.weight
    assert torch.equal(weight, state['head.weight'])

    config.dump(str(work / 'another.py'))
    with pytest.raises(ValueError, match=r"got \['another.py', 'mine.py'\]"):
        get_model(str(work))


def test_the_folder_of_finetune_has_its_training_in_it(zoo, tmp_path, state):
    work = tmp_path / 'work'
    run = work / 'run'
    run.mkdir(parents=True)
    Config.fromfile(str(ROOT / CONFIG)).dump(str(work / 'finetune.py'))
    config = Config.fromfile(str(work / 'finetune.py'))
    config.merge_from_dict(OPTIONS)
    config.dump(str(work / 'finetune.py'))
    torch.save(get_model(NAME).state_dict(), run / 'best_acc_epoch_2.pth')
    weight = get_model(str(work)).cls_head.fc_cls.weight
    assert torch.equal(weight, state['head.weight'])


def test_a_config_is_a_model_without_weights(zoo, tmp_path, state):
    path = str(ROOT / CONFIG)
    with pytest.raises(ValueError, match=f'{path} comes without weights'):
        get_model(path)
    assert get_model(path, pretrained=False).backbone.embed_dims == 384


def test_a_recipe_is_a_model_without_weights():
    recipe = 'videomamba-nano-p16_1xb32-8x4x1-30e_motionshapes-rgb'
    assert get_model(recipe, pretrained=False).backbone.embed_dims == 96
    with pytest.raises(ValueError, match=f'{recipe} comes without weights'):
        get_model(recipe)


def test_a_wrong_name_is_told_the_closest():
    with pytest.raises(ValueError, match=f'closest:.* {NAME}'):
        get_model('videomamba-tiny-8f_kinetics400')


# mmengine's, of every inferencer without a folder for pictures.
@pytest.mark.filterwarnings('ignore:Failed to add.*VisBackend')
def test_the_inferencer_of_the_host_takes_our_names(zoo, state, video):
    inferencer = MMAction2Inferencer(rec=NAME)
    model = inferencer.actionrecog_inferencer.model
    assert torch.equal(model.cls_head.fc_cls.weight, state['head.weight'])
    (scores,) = inferencer(video)['predictions'][0]['rec_scores']
    expected = dict(recognize(get_model(NAME), video))
    assert len(scores) == len(expected) == 5
    for number, score in enumerate(scores):
        assert score == pytest.approx(expected[f'class {number}'], rel=1e-5)


def test_the_hub_of_the_host_builds_our_configs():
    model = hub.get_model(
        'mmvideomamba::recognition/videomamba/'
        'videomamba-nano-p16_1xb32-8x4x1-30e_motionshapes-rgb.py'
    )
    assert model.backbone.embed_dims == 96
    assert model.cls_head.num_classes == 8
