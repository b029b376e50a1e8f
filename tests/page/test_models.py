"""The models to choose from, and the clips to begin with."""

import pytest
from small_training import write_training
from small_zoo import NAME, small_zoo

from mmvideomamba.datasets.motion_shapes import CLASSES
from mmvideomamba.model_zoo import find_model
from mmvideomamba.page.models import Models
from mmvideomamba.page.samples import find_samples


@pytest.fixture(scope='module')
def training(tmp_path_factory):
    folder = tmp_path_factory.mktemp('training')
    write_training(folder)
    return folder


@pytest.fixture
def models(tmp_path, training):
    with small_zoo(tmp_path):
        source = find_model(str(training))
        source.config.model.cls_head.average_clips = 'score'
        yield Models('mine', source)


def test_public_weights_are_downloaded_when_they_are_chosen(models):
    assert models.names == ['mine', NAME]
    told = []
    model = models.load(NAME, lambda *what: told.append(what))
    assert told == [(1, 'Weights: 0 of 0 MB')]
    assert models.load(NAME, lambda *what: told.append(what)) is model
    assert len(told) == 1
    said = models.describe(NAME, model)
    assert said.startswith(
        'Kinetics-400, 5 classes, 8 frames of 32x32 pixels, top-1 20.0 % '
        '(nobody), 0.1 M parameters. Weights: [tiny.pth](http://127.0.0.1:'
    )


def test_of_a_training_the_name_of_its_weights_is_shown(models):
    model = models.load('mine')
    assert models.describe('mine', model) == (
        '8 classes, 0.5 M parameters. Weights: `best_acc.pth`, on this machine'
    )
    assert model.cls_head.average_clips == 'prob'


def test_one_model_is_loaded_at_a_time(models):
    mine = models.load('mine')
    assert models.load('mine') is mine
    models.load(NAME)
    assert models.load('mine') is not mine


def test_nothing_but_the_list_can_be_chosen(models, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text('raise AssertionError')
    for name in (str(config), 'videomamba-small-p16_opengvlab-8f_sthv2-rgb'):
        with pytest.raises(ValueError, match="^unknown model '.*'mine', "):
            models.load(name)


def test_samples_are_a_test_clip_of_each_class(training):
    config = find_model(str(training)).config
    samples = find_samples(config)
    assert list(samples) == list(CLASSES)
    assert samples['grow'] == f'{training}/videos/grow/test_00006.mp4'
    config.test_dataloader.dataset.ann_file = 'elsewhere.txt'
    assert find_samples(config) == {}
