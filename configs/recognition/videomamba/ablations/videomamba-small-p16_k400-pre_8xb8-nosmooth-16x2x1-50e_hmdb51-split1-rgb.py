"""RandAugment without label smoothing, from Kinetics-400, HMDB51 split 1.

Paper: table 4, row + Random aug., 67.6 % top-1; the paper's figure, not
    reproduced here.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
From the paper: all that the inherited config takes from it, less label
    smoothing.
Ours: what the inherited config adds, nothing else.
"""

_base_ = (
    '../videomamba-small-p16_k400-pre_8xb8-16x2x1-50e_hmdb51-split1-rgb.py'
)

model = dict(cls_head=dict(label_smooth_eps=0.0))
