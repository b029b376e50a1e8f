"""VideoMamba-S, 8 frames, Something-Something V2, from ImageNet-1K.

Paper: table 5, 61.0 % top-1; the paper's figure, not reproduced here.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
From the paper: all that the inherited config takes from it, and 8 frames.
Ours: what the inherited config adds, nothing else.
"""

_base_ = 'videomamba-small-p16_in1k-pre_8xb8-u16-35e_sthv2-rgb.py'

model = dict(backbone=dict(num_frames=8))

_base_.train_pipeline[1].clip_len = 8
_base_.val_pipeline[1].clip_len = 8
_base_.test_pipeline[1].clip_len = 8
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
