"""Which heads of mmaction2 take which features, and batches of one size."""

import re
from pathlib import Path

import pytest
import torch
from mmaction.models import heads
from mmaction.models.heads import BaseHead
from mmaction.registry import MODELS as HOST_MODELS
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate

from mmvideomamba.models.recognizer_checks import (
    OUT_TYPES_OF_HEADS,
    REPLACEMENTS,
)
from mmvideomamba.models.videomamba import OUT_TYPES
from mmvideomamba.registry import MODELS

DOCS = Path(__file__).parents[2] / 'docs/heads.md'
# What a head needs besides the number of classes and channels.
SETTINGS = {
    'OmniHead': dict(image_classes=5, video_classes=5, in_channels=16),
    'FeatureHead': dict(average_clips='score'),
    'RGBPoseHead': dict(num_classes=5, in_channels=[16, 16]),
    'TRNHead': dict(num_classes=5, in_channels=16, num_segments=2),
    'TSMHead': dict(num_classes=5, in_channels=16, num_segments=2),
}
FITTING = [(head, t) for head, fit in OUT_TYPES_OF_HEADS.items() for t in fit]
OTHERS = [
    (head, out_type)
    for head, fitting in OUT_TYPES_OF_HEADS.items()
    for out_type in OUT_TYPES
    if out_type not in fitting
]


def recognizer(head, out_type, kind='Recognizer3D', **settings):
    settings = settings or SETTINGS.get(
        head, dict(num_classes=5, in_channels=16, average_clips='prob')
    )
    return MODELS.build(
        dict(
            type=kind,
            backbone=dict(
                type='VideoMamba',
                arch=dict(embed_dims=16, num_layers=1),
                img_size=32,
                num_frames=4,
                out_type=out_type,
            ),
            cls_head=dict(type=head, **settings),
            data_preprocessor=dict(
                type='ActionDataPreprocessor', format_shape='NCTHW'
            ),
        )
    )


def sample(label=0, size=(4, 32, 32)):
    torch.manual_seed(label)
    return dict(
        inputs=torch.randn(1, 3, *size),
        data_samples=ActionDataSample().set_gt_label(label),
    )


def step(model, samples, training=False):
    data = model.data_preprocessor(pseudo_collate(samples), training)
    model.train(training)
    return model(**data, mode='loss' if training else 'predict')


@pytest.mark.parametrize('head, out_type', FITTING)
def test_the_head_takes_these_features(head, out_type):
    model = recognizer(head, out_type)
    losses = step(model, [sample(0), sample(1)], training=True)
    losses['loss_cls'].backward()
    assert model.backbone.cls_token.grad is not None
    with torch.no_grad():
        results = step(model, [sample(0), sample(1)])
    scores = [
        result if head == 'FeatureHead' else result.pred_score.flatten()
        for result in results
    ]
    assert [len(s) for s in scores] == [16 if head == 'FeatureHead' else 5] * 2


@pytest.mark.parametrize('head, out_type', OTHERS)
def test_the_head_is_refused_with_others(head, out_type):
    fitting = OUT_TYPES_OF_HEADS[head]
    other = REPLACEMENTS.get(head, 'VideoMambaHead')
    message = f'takes features that VideoMamba does not have.*Use {other!r}'
    if fitting:
        message = f"out_type='{fitting[0]}'.*, got '{out_type}'"
    with pytest.raises(ValueError, match=f'cls_head.type={head!r}.*{message}'):
        recognizer(head, out_type)


def test_every_head_of_mmaction2_is_known():
    registered = {
        name
        for name, kind in HOST_MODELS.module_dict.items()
        if isinstance(kind, type) and issubclass(kind, BaseHead)
        if kind.__module__.startswith('mmaction.')
    }
    assert 'I3DHead' in registered
    assert registered | {'VideoMambaHead'} == set(OUT_TYPES_OF_HEADS)


def test_the_docs_have_the_same_tables():
    takes, takes_none = (
        dict(re.findall(r'^\| `(\w+Head)` \| (.*?) \|', part, re.M))
        for part in DOCS.read_text().split('## Heads that do not fit')
    )
    table = {
        head: tuple(re.findall(r'`(\w+)`', cell))
        for head, cell in takes.items()
    }
    assert table == {h: fit for h, fit in OUT_TYPES_OF_HEADS.items() if fit}
    assert takes_none == {
        head: f'`{REPLACEMENTS.get(head, "VideoMambaHead")}`'
        for head, fit in OUT_TYPES_OF_HEADS.items()
        if not fit
    }


def test_c3ds_head_views_the_map():
    settings = dict(num_classes=5, spatial_type=None, average_clips='prob')
    model = recognizer('I3DHead', 'featmap', in_channels=16 * 8, **settings)
    assert len(step(model, [sample()])[0].pred_score) == 5


@pytest.mark.parametrize('head', ['I3DHead', 'VideoMambaHead'])
def test_another_number_of_channels_is_refused(head):
    with pytest.raises(ValueError, match=r'in_channels is 384.*has 16 chann'):
        recognizer(head, 'featmap', num_classes=5, in_channels=384)


def test_a_head_of_the_users_is_not_judged():
    class MViTHead(heads.MViTHead):
        pass

    recognizer(MViTHead, 'raw', num_classes=5, in_channels=7)


def test_a_recognizer_of_frames_gets_the_remedy():
    with pytest.raises(ValueError, match="Recognizer2D.*type='Recognizer3D'"):
        recognizer('TSNHead', 'cls_token', kind='Recognizer2D')


def test_single_frames_get_the_remedy():
    model = recognizer('VideoMambaHead', 'cls_token')
    frames = dict(sample(), inputs=torch.randn(4, 3, 32, 32))
    with pytest.raises(ValueError, match=r'\(4, 3, 32, 32\).*Recognizer3D'):
        step(model, [frames])


@pytest.mark.parametrize('size', [(4, 32, 48), (4, 48, 32), (6, 32, 32)])
@pytest.mark.parametrize('training', [True, False])
def test_clips_of_different_sizes_are_not_padded(size, training):
    model = recognizer('VideoMambaHead', 'cls_token')
    samples = [sample(0), sample(1, size)]
    sizes = re.escape(str((1, 3, *size)))
    with pytest.raises(ValueError, match=f'one size in a batch.*{sizes}'):
        step(model, samples, training)
    # One by one, and several of one size, they are what they were.
    if not training:
        alone = [step(model, [s])[0].pred_score for s in samples]
        assert len(alone[1]) == 5
        together = step(model, [sample(0), sample(2)])[0].pred_score
        torch.testing.assert_close(together, alone[0])
