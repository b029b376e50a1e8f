"""What loss and head cannot take stops a run before its first step."""

import itertools

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.runner import Runner

NUMBERS = itertools.count()
MIXUP = dict(type='MixupBlending', alpha=0.8, num_classes=3)


def run(tmp_path, head=None, blending=None):
    """Train one step on clips of zeros."""
    several = (head or {}).get('multi_class')
    label = torch.tensor([0.0, 1, 1]) if several else [1]
    samples = [
        dict(
            inputs=torch.zeros(1, 3, 2, 16, 16),
            data_samples=ActionDataSample().set_gt_label(label),
        )
        for _ in range(2)
    ]
    config = dict(
        default_scope='mmaction',
        work_dir=str(tmp_path),
        experiment_name=f'targets_{next(NUMBERS)}',
        model=dict(
            type='Recognizer3D',
            backbone=dict(
                type='VideoMamba',
                arch=dict(embed_dims=16, num_layers=1),
                img_size=16,
                num_frames=2,
            ),
            cls_head={
                **dict(type='VideoMambaHead', num_classes=3, in_channels=16),
                **(head or {}),
            },
            data_preprocessor=dict(
                type='ActionDataPreprocessor',
                format_shape='NCTHW',
                blending=blending,
            ),
        ),
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            dataset=samples,
            sampler=dict(type='DefaultSampler'),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(logger=None, checkpoint=None),
        custom_hooks=[dict(type='CheckTargetsHook')],
        log_level='ERROR',
    )
    runner = Runner(**config)  # without a config, whose samples are no text
    runner.train()
    return runner


BALANCED = dict(type='CBFocalLoss', samples_per_cls=[5, 3, 2])
BCE = dict(type='BCELossWithLogits')


@pytest.mark.parametrize(
    'head, blending',
    [
        (dict(label_smooth_eps=0.1), None),
        (dict(label_smooth_eps=0.1), MIXUP),
        (
            None,
            dict(
                type='RandomBatchAugment',
                augments=[MIXUP, dict(MIXUP, type='CutmixBlending')],
                probs=[0.5, 0.25],
            ),
        ),
        (dict(loss_cls=BALANCED), None),
        (dict(loss_cls=BCE, label_smooth_eps=0.1), None),
        (dict(loss_cls=BCE, multi_class=True), dict(MIXUP, num_classes=7)),
        (
            dict(
                loss_cls=dict(
                    type='CrossEntropyLoss', class_weight=[1.0, 2.0, 3.0]
                )
            ),
            None,
        ),
    ],
)
def test_what_fits_trains(tmp_path, head, blending):
    assert run(tmp_path, head, blending).iter == 1


@pytest.mark.parametrize(
    'head, blending, message',
    [
        (
            dict(loss_cls=BALANCED, label_smooth_eps=0.1),
            None,
            r'CBFocalLoss .*label_smooth_eps=0 \(it is 0.1, perhaps inherit',
        ),
        (
            dict(loss_cls=dict(type='NLLLoss'), label_smooth_eps=0.1),
            None,
            'NLLLoss takes class numbers',
        ),
        (dict(loss_cls=BALANCED), MIXUP, 'set .*preprocessor.blending=None'),
        (
            dict(loss_cls=dict(BALANCED, samples_per_cls=[5, 3])),
            None,
            'length of .*samples_per_cls: expected 3, as .*, got 2',
        ),
        (
            dict(
                loss_cls=dict(type='CrossEntropyLoss', class_weight=[1.0] * 4)
            ),
            None,
            'length of .*class_weight: expected 3, as .*, got 4',
        ),
        (
            dict(label_smooth_eps=1.5),
            None,
            'label_smooth_eps from 0 to below 1, got 1.5',
        ),
        (dict(loss_cls=BCE), None, 'multi_class=True if videos have several'),
        (
            None,
            dict(MIXUP, num_classes=4),
            'blending.num_classes of MixupBlending: expected 3, as .*, got 4',
        ),
        (
            None,
            dict(
                type='RandomBatchAugment',
                augments=[
                    MIXUP,
                    dict(MIXUP, type='CutmixBlending', num_classes=2),
                ],
            ),
            'num_classes of CutmixBlending: expected 3, as .*, got 2',
        ),
    ],
)
def test_what_does_not_fit_stops_before_the_first_step(
    tmp_path, head, blending, message
):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, head, blending)
