"""OpenGVLab's VideoMamba-S, 8 frames, Kinetics-400.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: 79.3 % top-1 with 3 crops x 4 clips; theirs, not reproduced here.
Command: python tools/test.py THIS_FILE URL, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main/
    videomamba_s16_k400_f8_res224.pth
"""

_base_ = [
    '../../../_base_/models/videomamba_opengvlab_small.py',
    '../../../_base_/datasets/kinetics400_opengvlab.py',
    '../../../_base_/default_runtime.py',
]
