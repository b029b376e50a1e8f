"""OpenGVLab's VideoMamba-M, 16 frames, Something-Something V2.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: 68.3 % top-1 with 3 crops x 2 clips; theirs, not reproduced here.
Command: python tools/test.py THIS_FILE URL, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main/
    videomamba_m16_ssv2_f16_res224.pth
With masked pretraining 71.0 %:
    videomamba_m16_ssv2_mask_ft_f16_res224.pth
"""

_base_ = 'videomamba-small-p16_opengvlab-16f_sthv2-rgb.py'

model = dict(
    backbone=dict(arch='middle'),
    cls_head=dict(in_channels=576),
)
