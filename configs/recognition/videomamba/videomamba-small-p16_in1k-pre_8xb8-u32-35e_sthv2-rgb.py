"""VideoMamba-S, 32 frames, Something-Something V2, from ImageNet-1K.

Paper: table 8, 64.2 % top-1, 88.0 % top-5 with 2 x 3 views; the paper's
    figures, not reproduced here.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
From the paper: all that the config of 16 frames takes from it, and 32 frames.
Ours: what the config of 16 frames adds, nothing else.
"""

_base_ = [
    '../../_base_/models/videomamba_small.py',
    '../../_base_/datasets/sthv2.py',
    '../../_base_/schedules/adamw_30e.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        num_frames=32,
        init_cfg=dict(
            type='Pretrained',
            checkpoint=(
                'https://huggingface.co/hustvl/Vim-small-midclstok/'
                'resolve/main/vim_s_midclstok_80p5acc.pth'
            ),
        ),
    ),
    cls_head=dict(num_classes=174),
)

train_cfg = dict(max_epochs=35)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        by_epoch=True,
        begin=0,
        end=1,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-6,
        T_max=34,
        by_epoch=True,
        begin=1,
        end=35,
        convert_to_iter_based=True,
    ),
]

train_pipeline = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=32),
    dict(type='ClipDecode', scale=(-1, 256)),
    dict(
        type='VideoRandAugment', n=4, magnitude=7, magnitude_std=0.5, prob=0.5
    ),
    dict(type='RandomResizedCrop'),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='RandomErasing', erase_prob=0.25, mode='rand'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
val_pipeline = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=32, test_mode=True),
    dict(type='ClipDecode', scale=(-1, 256)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_pipeline = [
    dict(type='DecordInit'),
    dict(type='SegmentSample', clip_len=32, num_clips=2),
    dict(type='ClipDecode', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
