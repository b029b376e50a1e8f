"""Table 1: what the orders do to a model whose answers are known."""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmvideomamba.analysis.temporal_consistency import evaluate_frame_orders
from mmvideomamba.video import write_video

PIPELINE = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=8, num_clips=1, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]


@pytest.fixture
def config(tmp_path):
    """Videos that grow brighter (class 0) or darker (class 1)."""
    levels = np.linspace(20, 220, 8).astype(np.uint8)
    lines = []
    for number in range(4):
        ordered = levels if number % 2 == 0 else levels[::-1]
        frames = [np.full((64, 64, 3), level) for level in ordered]
        write_video(str(tmp_path / f'{number}.mp4'), frames)
        lines.append(f'{number}.mp4 {number % 2}\n')
    (tmp_path / 'list.txt').write_text(''.join(lines))
    return Config(
        dict(
            test_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(
                    type='VideoDataset',
                    ann_file=str(tmp_path / 'list.txt'),
                    data_prefix=dict(video=str(tmp_path)),
                    pipeline=PIPELINE,
                    test_mode=True,
                ),
            ),
            test_evaluator=dict(type='AccMetric'),
        )
    )


class Brightening(nn.Module):
    """Compares the frames of two steps: brighter later means class 0."""

    def __init__(self, first, last):
        super().__init__()
        self.first, self.last = first, last

    def test_step(self, batch):
        for inputs, sample in zip(batch['inputs'], batch['data_samples']):
            level = inputs.float().mean(dim=(0, 1, 3, 4))
            is_darker = level[self.last] < level[self.first]
            sample.pred_score = torch.eye(2)[int(is_darker)]
        return batch['data_samples']


def test_a_model_that_sees_order_is_told_apart(config):
    orders = ['sequential', 'block-wise', 'interleaved']
    results = evaluate_frame_orders(Brightening(0, 7), config, orders)
    assert list(results) == orders
    # 1..8 rises; 5-6-7-8-1-2-3-4 falls; 1-8-2-7-3-6-4-5 rises.
    top1 = [results[order]['acc/top1'] for order in orders]
    assert top1 == [1.0, 0.0, 1.0]
    results = evaluate_frame_orders(Brightening(1, 7), config, orders)
    assert [r['acc/top1'] for r in results.values()] == [1.0, 0.0, 0.0]


def test_a_wrapped_test_set_is_reordered_too(config):
    dataset = config.test_dataloader.dataset
    config.test_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[dataset, copy.deepcopy(dataset)]
    )
    (result,) = evaluate_frame_orders(
        Brightening(0, 7), config, ['block-wise']
    ).values()
    assert result['acc/top1'] == 0.0


def test_the_config_stays_as_it_is(config):
    evaluate_frame_orders(Brightening(0, 7), config, ['pairwise'])
    pipeline = config.test_dataloader.dataset.pipeline
    assert [step.type for step in pipeline] == [s['type'] for s in PIPELINE]
