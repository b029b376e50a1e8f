"""VideoMamba-S, 16 frames, spatio-temporal detection on AVA-Kinetics.

Paper: no row. No result yet, ours or another's.
Command: bash tools/dist_train.sh THIS_FILE 8
    It needs mmdet and, in place of mmcv-lite, the full mmcv. Train the
    Kinetics-400 config of 16 frames first.
Hardware: 8 GPUs with 8 clips each.
From mmaction2: data, RoI head and schedule of its VideoMAE config.
Ours: the backbone, and the optimizer of the recipes, at a third of the rate.
"""

_base_ = (
    'mmaction::detection/videomae/'
    'vit-base-p16_videomae-k400-pre_8xb8-16x4x1-20e-adamw_ava-kinetics-rgb.py'
)
custom_imports = dict(imports=['mmvideomamba'], allow_failed_imports=False)

model = dict(
    init_cfg=None,
    backbone=dict(
        _delete_=True,
        type='mmaction.VideoMamba',
        arch='small',
        num_frames=16,
        out_type='featmap',
        drop_path_rate=0.2,
        init_cfg=dict(
            type='Pretrained',
            checkpoint=(
                'work_dirs/videomamba-small-p16_in1k-pre_'
                '8xb8-16x2x1-30e_kinetics400-rgb/epoch_30.pth'
            ),
        ),
    ),
    roi_head=dict(bbox_head=dict(in_channels=384)),
)

optim_wrapper = dict(
    _delete_=True,
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(
        custom_keys={
            part: dict(decay_mult=0.0)
            for part in (
                'norm.weight',
                'bias',
                'pos_embed',
                'cls_token',
                'A_log',
                'mixer.D',
            )
        }
    ),
)
