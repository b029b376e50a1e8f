"""OpenGVLab's VideoMamba-M, 8 frames, Something-Something V2.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: 67.3 % top-1 with 3 crops x 2 clips; theirs, not reproduced here.
Command: python tools/test.py THIS_FILE URL, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main/
    videomamba_m16_ssv2_f8_res224.pth
With masked pretraining 70.2 %:
    videomamba_m16_ssv2_mask_ft_f8_res224.pth
"""

_base_ = 'videomamba-small-p16_opengvlab-8f_sthv2-rgb.py'

model = dict(
    backbone=dict(arch='middle'),
    cls_head=dict(in_channels=576),
)
