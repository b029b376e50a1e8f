"""VideoMamba-S, 288 px, HMDB51, from Kinetics-400 at 224 px.

Paper: no row; the paper stays at 224 px. No result yet.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
    Train the Kinetics-400 config of 16 frames first.
From the paper: all that the inherited config takes from it.
Ours: the image size, and the start, our model of 16 frames. Positions are
    resized in space.
"""

_base_ = 'videomamba-small-p16_in1k-pre_8xb8-16x2x1-50e_hmdb51-rgb.py'

model = dict(
    backbone=dict(
        img_size=288,
        init_cfg=dict(
            checkpoint=(
                'work_dirs/videomamba-small-p16_in1k-pre_'
                '8xb8-16x2x1-30e_kinetics400-rgb/epoch_30.pth'
            )
        ),
    )
)

# As 256 to 224: resized to 8/7 of what is cut.
train_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=16, frame_interval=2),
    dict(type='ClipDecode', scale=(-1, 328)),
    dict(
        type='VideoRandAugment', n=4, magnitude=7, magnitude_std=0.5, prob=0.5
    ),
    dict(type='RandomResizedCrop'),
    dict(type='Resize', scale=(288, 288), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='RandomErasing', erase_prob=0.25, mode='rand'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
val_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=16, frame_interval=2, test_mode=True),
    dict(type='ClipDecode', scale=(-1, 328)),
    dict(type='CenterCrop', crop_size=288),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_pipeline = [
    dict(type='DecordInit'),
    dict(
        type='SampleFrames',
        clip_len=16,
        frame_interval=2,
        num_clips=10,
        test_mode=True,
    ),
    dict(type='ClipDecode', scale=(-1, 288)),
    dict(type='ThreeCrop', crop_size=288),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# A folder for each split.
work_dir = 'work_dirs/{{fileBasenameNoExtension}}/split{{$HMDB51_SPLIT:1}}'
