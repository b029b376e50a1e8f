"""VideoMamba, 768 channels, 16 frames, Kinetics-400, from ImageNet-1K.

Paper: no row; the paper stops at 384 channels. No result yet.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
From the paper: all that the inherited config takes from it.
Ours: the width, and Vim-B as the ImageNet weights.
"""

_base_ = 'videomamba-small-p16_in1k-pre_8xb8-16x2x1-30e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        arch='base',
        init_cfg=dict(
            type='Pretrained',
            checkpoint=(
                'https://huggingface.co/hustvl/Vim-base-midclstok/'
                'resolve/main/vim_b_midclstok_81p9acc.pth'
            ),
        ),
    ),
    cls_head=dict(in_channels=768),
)
