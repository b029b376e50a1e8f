"""VideoMamba-S, 32 frames, Kinetics-400, from ImageNet-1K.

Paper: table 9, 77.7 % top-1, 93.3 % top-5 with 5 x 3 views; the paper's
    figures, not reproduced here.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
From the paper: all that the inherited config takes from it, and 32 frames.
Ours: every second frame, as with 16.
"""

_base_ = 'videomamba-small-p16_in1k-pre_8xb8-16x2x1-30e_kinetics400-rgb.py'

model = dict(backbone=dict(num_frames=32))

train_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=32, frame_interval=2),
    dict(type='ClipDecode', scale=(-1, 256)),
    dict(
        type='VideoRandAugment', n=4, magnitude=7, magnitude_std=0.5, prob=0.5
    ),
    dict(type='RandomResizedCrop'),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='RandomErasing', erase_prob=0.25, mode='rand'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
val_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=32, frame_interval=2, test_mode=True),
    dict(type='ClipDecode', scale=(-1, 256)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_pipeline = [
    dict(type='DecordInit'),
    dict(
        type='SampleFrames',
        clip_len=32,
        frame_interval=2,
        num_clips=5,
        test_mode=True,
    ),
    dict(type='ClipDecode', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
