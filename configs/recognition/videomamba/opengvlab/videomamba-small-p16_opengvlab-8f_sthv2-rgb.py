"""OpenGVLab's VideoMamba-S, 8 frames, Something-Something V2.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: 66.6 % top-1 with 3 crops x 2 clips; theirs, not reproduced here.
Command: python tools/test.py THIS_FILE URL, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main/
    videomamba_s16_ssv2_f8_res224.pth
"""

_base_ = [
    '../../../_base_/models/videomamba_opengvlab_small.py',
    '../../../_base_/datasets/sthv2_opengvlab.py',
    '../../../_base_/default_runtime.py',
]

model = dict(cls_head=dict(num_classes=174))
