"""A project of few clips and a tiny model: its data set and its config."""

from pathlib import Path

import mmvideomamba
from mmvideomamba.datasets.motion_shapes import write_motion_shapes

# Clips, drop path and dropout are random. The seed decides what they draw,
# in one process as in two.
CONFIG = """
_base_ = [
    '{configs}/_base_/schedules/adamw_30e.py',
    '{configs}/_base_/default_runtime.py',
]
custom_imports = dict(imports=['mmvideomamba', 'keep_weights'])
custom_hooks = [
    dict(type='CheckLabelsHook'),
    dict(type='ReportSkippedHook'),
    dict(type='KeepWeightsHook'),
]

model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='VideoMamba',
        arch=dict(embed_dims=16, num_layers=2),
        img_size=32,
        num_frames=4,
        drop_path_rate=0.4,
        scan_backend='reference',
    ),
    cls_head=dict(
        type='VideoMambaHead',
        num_classes=8,
        in_channels=16,
        dropout_ratio=0.5,
        average_clips='prob',
    ),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW',
    ),
    test_cfg=dict(max_testing_views=4),
)
test_pipeline = [
    dict(type='DecordInit'),
    dict(
        type='SampleFrames',
        clip_len=4,
        frame_interval=1,
        num_clips=2,
        test_mode=True,
    ),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(48, 32), keep_ratio=False),
    dict(type='ThreeCrop', crop_size=32),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=4, frame_interval=1),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 40)),
    dict(type='RandomCrop', size=32),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CheckedVideoDataset',
        ann_file='{root}/train_list.txt',
        data_prefix=dict(video='{root}/videos'),
        pipeline=train_pipeline,
        on_error='skip',
        max_skipped=0.2,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CheckedVideoDataset',
        ann_file='{root}/test_list.txt',
        data_prefix=dict(video='{root}/videos'),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_dataloader = test_dataloader
val_evaluator = test_evaluator = dict(type='AccMetric')
optim_wrapper = dict(type='OptimWrapper')
train_cfg = dict(max_epochs=2)
default_hooks = dict(logger=dict(interval=1))
"""

# A training video that is skipped.
UNREADABLE = 'orbit_clockwise/train_00004.mp4'

# A module beside the config: every process keeps the weights it ends with.
KEEP_WEIGHTS = """
import torch
from mmengine.hooks import Hook
from mmvideomamba.registry import HOOKS


@HOOKS.register_module()
class KeepWeightsHook(Hook):
    def after_train(self, runner):
        path = f'{runner.work_dir}/rank{runner.rank}.pth'
        model = getattr(runner.model, 'module', runner.model)
        torch.save(model.state_dict(), path)
"""


def write_project(folder):
    """Write all of it; returns the config."""
    write_motion_shapes(str(folder / 'data'), 8, 8, num_frames=8, size=64)
    (folder / 'data' / 'videos' / UNREADABLE).write_bytes(b'')
    (folder / 'keep_weights.py').write_text(KEEP_WEIGHTS)
    path = folder / 'tiny.py'
    configs = Path(mmvideomamba.__file__).parents[1] / 'configs'
    path.write_text(CONFIG.format(configs=configs, root=folder / 'data'))
    return path
