"""AVA's RoI head of mmaction2 on VideoMamba, in a config of ours."""

from pathlib import Path

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmvideomamba.models.videomamba import ARCHS

CONFIG = (
    Path(__file__).parents[2] / 'configs/detection/videomamba/'
    'videomamba-small-p16_k400-pre_8xb8-16x4x1-20e_ava-kinetics-rgb.py'
)


def sample(box, size=64):
    """A person in a frame of 64 x 64, who does 3 of the 80 actions."""
    boxes = torch.tensor([box], dtype=torch.float32)
    labels = torch.zeros(1, 81)
    labels[0, [4, 12, 80]] = 1
    sample = ActionDataSample(metainfo=dict(img_shape=(size, size)))
    sample.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    sample.proposals = InstanceData(bboxes=boxes.clone(), scores=torch.ones(1))
    return sample


def test_the_parts_of_the_config_fit():
    config = Config.fromfile(CONFIG)
    backbone = config.model.backbone
    assert backbone.type == 'mmaction.VideoMamba'
    assert backbone.out_type == 'featmap'
    channels = config.model.roi_head.bbox_head.in_channels
    assert channels == ARCHS[backbone.arch]['embed_dims']
    # Nothing is left of the model that mmaction2's config is for.
    assert 'depth' not in backbone and config.model.init_cfg is None
    assert 'constructor' not in config.optim_wrapper
    for loop in ('train', 'val', 'test'):
        sampling = config[f'{loop}_dataloader'].dataset.pipeline[0]
        assert sampling.clip_len == backbone.num_frames


def test_the_roi_head_takes_the_map():
    pytest.importorskip('mmdet', reason='needs mmdet')
    pytest.importorskip('mmcv.ops', reason='needs the full mmcv')
    from mmdet.registry import MODELS

    config = Config.fromfile(CONFIG).model
    config.backbone.pop('init_cfg')
    config.backbone.update(
        arch=dict(embed_dims=16, num_layers=1), img_size=64, num_frames=4
    )
    config.roi_head.bbox_head.in_channels = 16
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(config)
    inputs = [torch.randint(0, 255, (3, 4, 64, 64)).byte() for _ in range(2)]
    samples = [sample([0, 0, 31, 63]), sample([16, 8, 60, 60])]
    data = dict(inputs=inputs, data_samples=samples)

    model.train()
    batch = model.data_preprocessor(data, training=True)
    losses = model(**batch, mode='loss')
    losses['loss_action_cls'].backward()
    assert model.backbone.tokenizer.proj.weight.grad.abs().sum() > 0

    model.eval()
    with torch.no_grad():
        (result,) = model.test_step(
            dict(inputs=inputs[:1], data_samples=[sample([0, 0, 31, 63])])
        )
    scores = result.pred_instances.scores
    assert scores.shape[0] == 1 and ((scores > 0) & (scores < 1)).all()
