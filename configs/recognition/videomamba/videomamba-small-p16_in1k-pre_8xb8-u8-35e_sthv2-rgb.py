"""VideoMamba-S, 8 frames, Something-Something V2, from ImageNet-1K.

Paper: table 5, 61.0 % top-1; the paper's figure, not reproduced here.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
From the paper: all that the inherited config takes from it, and 8 frames.
Ours: what the inherited config adds, nothing else.
"""

_base_ = 'videomamba-small-p16_in1k-pre_8xb8-u16-35e_sthv2-rgb.py'

model = dict(backbone=dict(num_frames=8))

train_pipeline = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=8),
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
    dict(type='UniformSample', clip_len=8, test_mode=True),
    dict(type='ClipDecode', scale=(-1, 256)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_pipeline = [
    dict(type='DecordInit'),
    dict(type='SegmentSample', clip_len=8, num_clips=2),
    dict(type='ClipDecode', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
