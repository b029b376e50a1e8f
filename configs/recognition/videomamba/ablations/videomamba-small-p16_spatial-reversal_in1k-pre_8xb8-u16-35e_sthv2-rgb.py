"""Backward scan by spatial reversal, Something-Something V2.

Paper: table 2, 61.9 % top-1; the paper's figure, not reproduced here.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
From the paper: all that the inherited config takes from it, this reversal,
    and no class token.
Ours: the mean of the tokens in place of the class token.
"""

_base_ = '../videomamba-small-p16_in1k-pre_8xb8-u16-35e_sthv2-rgb.py'

model = dict(
    backbone=dict(
        scan_orders=(
            dict(type='SpatioTemporalForward'),
            dict(type='SpatialReversal'),
        ),
        cls_token_position=None,
    )
)
