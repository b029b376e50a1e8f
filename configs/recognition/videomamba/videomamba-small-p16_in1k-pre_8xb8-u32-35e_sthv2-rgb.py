"""VideoMamba-S, 32 frames, Something-Something V2, from ImageNet-1K.

Paper: table 8, 64.2 % top-1, 88.0 % top-5 with 2 x 3 views; the paper's
    figures, not reproduced here.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
From the paper: all that the inherited config takes from it, and 32 frames.
Ours: what the inherited config adds, nothing else.
"""

_base_ = 'videomamba-small-p16_in1k-pre_8xb8-u16-35e_sthv2-rgb.py'

model = dict(backbone=dict(num_frames=32))

_base_.train_pipeline[1].clip_len = 32
_base_.val_pipeline[1].clip_len = 32
_base_.test_pipeline[1].clip_len = 32
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
