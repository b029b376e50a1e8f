"""VideoMamba-S, 288 px, HMDB51 split 1, from Kinetics-400 at 224 px.

Paper: no row; the paper stays at 224 px. No result yet.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
    Train the Kinetics-400 config of 16 frames first.
From the paper: all that the inherited config takes from it.
Ours: the image size. Positions are resized in space.
"""

_base_ = 'videomamba-small-p16_k400-pre_8xb8-16x2x1-50e_hmdb51-split1-rgb.py'

model = dict(backbone=dict(img_size=288))

# As 256 to 224: resized to 8/7 of what is cut.
_base_.train_pipeline[3].scale = (-1, 328)
_base_.train_pipeline[6].scale = (288, 288)
_base_.val_pipeline[3].scale = (-1, 328)
_base_.val_pipeline[4].crop_size = 288
_base_.test_pipeline[3].scale = (-1, 288)
_base_.test_pipeline[4].crop_size = 288
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
