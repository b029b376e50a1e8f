"""The head, and the backbone under mmaction2's own heads."""

import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import METRICS
from mmaction.structures import ActionDataSample

from mmvideomamba.registry import MODELS


def recognizer(head, **backbone):
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=dict(
                type='VideoMamba',
                arch=dict(embed_dims=16, num_layers=1),
                img_size=16,
                patch_size=8,
                num_frames=4,
                **backbone,
            ),
            cls_head=dict(num_classes=3, in_channels=16, **head),
            data_preprocessor=dict(type='ActionDataPreprocessor'),
        )
    )


def samples(labels):
    return [ActionDataSample().set_gt_label(label) for label in labels]


def views(batch, views):
    torch.manual_seed(1)
    return torch.randn(batch, views, 3, 4, 16, 16)


@pytest.mark.parametrize(
    'out_type', ['cls_token', 'avg_featmap', 'featmap', 'raw']
)
def test_every_out_type_is_accepted(out_type):
    model = recognizer(dict(type='VideoMambaHead'), out_type=out_type).eval()
    x = views(2, 1)
    feats = model.backbone(x[:, 0])
    pooled = {
        'featmap': lambda: feats.mean((2, 3, 4)),
        'raw': lambda: feats.mean(1),
    }.get(out_type, lambda: feats)()
    torch.testing.assert_close(
        model.cls_head(feats), model.cls_head.fc_cls(pooled)
    )


def test_loss_is_cross_entropy_with_smoothed_labels():
    model = recognizer(dict(type='VideoMambaHead', label_smooth_eps=0.1))
    model.eval()
    x, labels = views(4, 1), torch.tensor([0, 2, 1, 1])
    loss = model.loss(x, samples(labels.tolist()))['loss_cls']
    scores = model.cls_head(model.backbone(x[:, 0]))
    expected = F.cross_entropy(scores, labels, label_smoothing=0.1)
    torch.testing.assert_close(loss, expected)


def test_clips_of_several_labels():
    loss_cls = dict(type='BCELossWithLogits')
    model = recognizer(
        dict(type='VideoMambaHead', multi_class=True, loss_cls=loss_cls)
    ).eval()
    x, labels = views(2, 1), torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    loss = model.loss(x, samples(labels))['loss_cls']
    scores = model.cls_head(model.backbone(x[:, 0]))
    expected = F.binary_cross_entropy_with_logits(scores, labels)
    torch.testing.assert_close(loss, expected)
    assert model.cls_head.multi_class


def test_dropout_comes_before_the_linear_layer():
    model = recognizer(dict(type='VideoMambaHead', dropout_ratio=1.0))
    head, feats = model.cls_head, torch.randn(2, 16)
    torch.nn.init.normal_(head.fc_cls.bias)
    torch.testing.assert_close(head(feats), head.fc_cls.bias.expand(2, 3))
    torch.testing.assert_close(head.eval()(feats), head.fc_cls(feats))


def test_average_clips_prob_is_the_mean_of_softmax():
    model = recognizer(
        dict(type='VideoMambaHead', average_clips='prob'), out_type='raw'
    ).eval()
    x = views(2, 3)
    with torch.no_grad():
        predicted = model.predict(x, samples([0, 1]))
        scores = model.cls_head(model.backbone(x.flatten(0, 1)))
    expected = scores.softmax(-1).view(2, 3, 3).mean(1)
    for sample, score in zip(predicted, expected):
        torch.testing.assert_close(sample.pred_score, score)
        assert sample.pred_label.item() == score.argmax()


@pytest.mark.parametrize('kind', ['VideoMambaHead', 'I3DHead'])
def test_classes_are_independent_where_a_clip_may_have_several(kind):
    head = MODELS.build(
        dict(
            type=kind,
            num_classes=2,
            in_channels=4,
            multi_class=True,
            average_clips='prob',
        )
    )
    # Two videos of two views each.
    logits = torch.tensor([[5.0, 5.0], [5.0, 5.0], [4.0, -5.0], [2.0, -9.0]])
    labels = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    predicted = head.predict_by_feat(logits, samples(labels))
    scores = torch.stack([sample.pred_score for sample in predicted])
    expected = logits.sigmoid().view(2, 2, 2).mean(1)
    torch.testing.assert_close(scores, expected)
    metric = METRICS.build(
        dict(type='AccMetric', metric_list='mean_average_precision')
    )
    metric.process(None, [sample.to_dict() for sample in predicted])
    # A softmax ranks the second video first in class 0: 0.75.
    assert metric.evaluate(2) == {'acc/mean_average_precision': 1.0}


def test_multi_class_decides_the_loss_unless_it_is_given():
    def loss(**kwargs):
        head = dict(type='VideoMambaHead', num_classes=3, in_channels=4)
        return type(MODELS.build(dict(head, **kwargs)).loss_cls).__name__

    assert loss() == 'CrossEntropyLoss'
    assert loss(multi_class=True) == 'BCELossWithLogits'
    given = dict(type='CBFocalLoss', samples_per_cls=[1, 2, 3])
    assert loss(multi_class=True, loss_cls=given) == 'CBFocalLoss'


@pytest.mark.parametrize('batch', [1, 3])
def test_several_labels_have_no_top_k_in_training(batch):
    model = recognizer(dict(type='VideoMambaHead', multi_class=True))
    labels = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 0]])[:batch]
    assert set(model.loss(views(batch, 1), samples(labels))) == {'loss_cls'}


def test_clips_are_averaged_unless_the_config_says_otherwise():
    model = recognizer(dict(type='VideoMambaHead')).eval()
    with torch.no_grad():
        (sample,) = model.predict(views(1, 2), samples([0]))
    assert sample.pred_score.shape == (3,)
    assert sample.pred_score.sum().item() == pytest.approx(1)
    with pytest.raises(ValueError, match="unknown average_clips 'probs'"):
        recognizer(dict(type='VideoMambaHead', average_clips='probs'))


def test_works_under_i3d_head():
    model = recognizer(dict(type='I3DHead'), out_type='featmap')
    losses = model.loss(views(2, 1), samples([0, 1]))
    losses['loss_cls'].backward()
    assert model.backbone.layers[0].mixer.A_log.grad.abs().sum() > 0
    with torch.no_grad():
        model.eval().predict(views(1, 2), samples([0]))


def test_scores_are_float32_under_autocast():
    model = recognizer(dict(type='VideoMambaHead'))
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(views(2, 1), samples([0, 1]))
    assert losses['loss_cls'].dtype == torch.float32


def test_features_of_another_width_are_refused():
    head = recognizer(dict(type='VideoMambaHead')).cls_head
    with pytest.raises(ValueError, match=r'in_channels = 16.*\(2, 8\)'):
        head(torch.randn(2, 8))
