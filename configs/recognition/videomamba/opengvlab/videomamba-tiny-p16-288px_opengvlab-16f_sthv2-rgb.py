"""OpenGVLab's VideoMamba-Ti, 16 frames, 288 px, Something-Something V2.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: 66.2 % top-1 with 3 crops x 2 clips; theirs, not reproduced here.
Command: python tools/test.py THIS_FILE URL, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main/
    videomamba_t16_ssv2_f16_res224to288.pth
"""

_base_ = 'videomamba-small-p16-288px_opengvlab-16f_sthv2-rgb.py'

model = dict(
    backbone=dict(arch='tiny'),
    cls_head=dict(in_channels=192),
)
