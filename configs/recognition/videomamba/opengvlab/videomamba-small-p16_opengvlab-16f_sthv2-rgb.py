"""OpenGVLab's VideoMamba-S, 16 frames, Something-Something V2.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: 67.7 % top-1 with 3 crops x 2 clips; theirs, not reproduced here.
Command: python tools/test.py THIS_FILE URL, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main/
    videomamba_s16_ssv2_f16_res224.pth
"""

_base_ = 'videomamba-small-p16_opengvlab-8f_sthv2-rgb.py'

model = dict(backbone=dict(num_frames=16))

_base_.test_pipeline[1].clip_len = 16
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
