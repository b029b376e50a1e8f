"""OpenGVLab's VideoMamba-M, 32 frames, Kinetics-400.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: 82.4 % top-1 with 3 crops x 4 clips; theirs, not reproduced here.
Command: python tools/test.py THIS_FILE URL, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main/
    videomamba_m16_k400_f32_res224.pth
With masked pretraining 83.9 %:
    videomamba_m16_k400_mask_ft_f32_res224.pth
"""

_base_ = 'videomamba-small-p16_opengvlab-32f_kinetics400-rgb.py'

model = dict(
    backbone=dict(arch='middle'),
    cls_head=dict(in_channels=576),
)
