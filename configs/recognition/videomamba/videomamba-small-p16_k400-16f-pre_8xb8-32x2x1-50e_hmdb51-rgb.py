"""VideoMamba-S, 32 frames, HMDB51, from Kinetics-400 with 16 frames.

Paper: no row; the paper's 32 frames start from 32. No result yet.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
    Train the Kinetics-400 config of 16 frames first.
From the paper: all that the inherited config takes from it.
Ours: the start. Positions are resized in time, the head starts anew.
"""

_base_ = 'videomamba-small-p16_in1k-pre_8xb8-32x2x1-50e_hmdb51-rgb.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint=(
                'work_dirs/videomamba-small-p16_in1k-pre_'
                '8xb8-16x2x1-30e_kinetics400-rgb/epoch_30.pth'
            )
        )
    )
)

# A folder for each split.
work_dir = 'work_dirs/{{fileBasenameNoExtension}}/split{{$HMDB51_SPLIT:1}}'
