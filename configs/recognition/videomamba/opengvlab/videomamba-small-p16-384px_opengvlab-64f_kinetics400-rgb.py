"""OpenGVLab's VideoMamba-S, 64 frames, 384 px, Kinetics-400.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: 82.7 % top-1 with 3 crops x 4 clips; theirs, not reproduced here.
Command: python tools/test.py THIS_FILE URL, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main/
    videomamba_s16_k400_f64_res224to384.pth
"""

_base_ = 'videomamba-small-p16_opengvlab-64f_kinetics400-rgb.py'

model = dict(backbone=dict(img_size=384))

_base_.test_pipeline[3].size = 384
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
