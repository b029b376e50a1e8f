"""The real runner: what it saved comes back, what does not fit stops it."""

import copy
import os

import pytest
import torch
from mmengine.runner import Runner
from small_models import small_recognizer

from mmvideomamba.datasets.motion_shapes import CLASSES, write_motion_shapes


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('motion_shapes')
    write_motion_shapes(str(root), 8, 8, num_frames=8, size=64)
    return root


def make_config(root, work_dir, **changes):
    loader = dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(
            type='CheckedVideoDataset',
            ann_file=str(root / 'test_list.txt'),
            data_prefix=dict(video=str(root / 'videos')),
            metainfo=dict(classes=CLASSES),
            pipeline=[
                dict(type='DecordInit'),
                dict(type='SampleFrames', clip_len=4),
                dict(type='DecordDecode'),
                dict(type='Resize', scale=(32, 32), keep_ratio=False),
                dict(type='FormatShape', input_format='NCTHW'),
                dict(type='PackActionInputs'),
            ],
        ),
    )
    config = dict(
        default_scope='mmaction',
        work_dir=str(work_dir),
        experiment_name=work_dir.name,
        model=small_recognizer(),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook')),
        log_level='ERROR',
    )
    return dict(config, **changes)


@pytest.fixture(scope='module')
def trained(root, tmp_path_factory):
    """A checkpoint of an epoch, and the model that was trained."""
    work_dir = tmp_path_factory.mktemp('trained')
    runner = Runner.from_cfg(make_config(root, work_dir))
    runner.train()
    return str(work_dir / 'epoch_1.pth'), runner.model


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize('resume', [False, True])
def test_trained_recognizer_comes_back_bitwise(
    root, tmp_path, trained, resume
):
    checkpoint, model = trained
    config = make_config(root, tmp_path, load_from=checkpoint, resume=resume)
    runner = Runner.from_cfg(config)
    runner.load_or_resume()
    assert same(runner.model, model)


def test_resume_stops_at_another_model_before_it_trains(
    root, tmp_path, trained
):
    config = make_config(root, tmp_path, load_from=trained[0], resume=True)
    model = config['model'] = copy.deepcopy(config['model'])
    model['backbone']['arch'] = dict(embed_dims=16, num_layers=2)
    with pytest.raises(ValueError, match='16 channels x 1 blocks'):
        Runner.from_cfg(config).train()


class Malicious:
    def __init__(self, proof):
        self.proof = str(proof)

    def __reduce__(self):
        return os.mkdir, (self.proof,)


@pytest.mark.parametrize('resume', [False, True])
def test_malicious_checkpoint_stops_the_runner(
    root, tmp_path, trained, resume
):
    content = torch.load(trained[0])
    content['optimizer'] = Malicious(tmp_path / 'proof')
    torch.save(content, tmp_path / 'a.pth')
    config = make_config(
        root, tmp_path, load_from=str(tmp_path / 'a.pth'), resume=resume
    )
    with pytest.raises(ValueError, match='was refused'):
        Runner.from_cfg(config).train()
    assert not (tmp_path / 'proof').exists()


@pytest.mark.parametrize(
    'wrapper, before, after',
    [('OptimWrapper', -1, 0), ('BF16OptimWrapper', 1, 0)],
)
def test_resume_with_other_frozen_stages_says_so(
    root, tmp_path, wrapper, before, after
):
    def runner(name, frozen_stages, **changes):
        config = make_config(root, tmp_path / name, **changes)
        config['optim_wrapper'] = dict(
            type=wrapper,
            optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.1),
            paramwise_cfg=dict(custom_keys={'bias': dict(decay_mult=0.0)}),
        )
        model = config['model'] = copy.deepcopy(config['model'])
        model['backbone']['frozen_stages'] = frozen_stages
        return Runner.from_cfg(config)

    runner(f'{wrapper}1', before).train()
    path = str(tmp_path / f'{wrapper}1/epoch_1.pth')
    # All; without tokenizer, positions and class token; the head's alone.
    counts = [17, 13, 2]
    theirs, ours = counts[before + 1], counts[after + 1]
    again = runner(f'{wrapper}2', after, load_from=path, resume=True)
    with pytest.raises(
        ValueError,
        match=f'checkpoint has {theirs} parameters .* config {ours} in .*'
        'frozen_stages.*load_from',
    ):
        again.train()
    # Its weights alone start another run, and its own setting resumes.
    runner(f'{wrapper}3', after, load_from=path).load_or_resume()
    runner(f'{wrapper}4', before, load_from=path, resume=True).train()
