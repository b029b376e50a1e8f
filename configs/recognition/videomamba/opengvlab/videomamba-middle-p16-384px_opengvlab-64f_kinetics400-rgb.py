"""OpenGVLab's VideoMamba-M, 64 frames, 384 px, Kinetics-400.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: 83.3 % top-1 with 3 crops x 4 clips; theirs, not reproduced here.
Command: python tools/test.py THIS_FILE URL, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main/
    videomamba_m16_k400_f64_res224to384.pth
With masked pretraining 85.0 %:
    videomamba_m16_k400_mask_ft_f64_res224to384.pth
"""

_base_ = 'videomamba-small-p16-384px_opengvlab-64f_kinetics400-rgb.py'

model = dict(
    backbone=dict(arch='middle'),
    cls_head=dict(in_channels=576),
)
