"""No position embedding, HMDB51 split 1.

Paper: table 3, row None, 48.7 % top-1; the paper's figure, not
    reproduced here.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
From the paper: all that the inherited config takes from it, and the
    position embedding.
Ours: what the inherited config adds, nothing else.
"""

_base_ = (
    '../videomamba-small-p16_in1k-pre_8xb8-16x2x1-50e_hmdb51-split1-rgb.py'
)

model = dict(backbone=dict(pos_embed=None))
