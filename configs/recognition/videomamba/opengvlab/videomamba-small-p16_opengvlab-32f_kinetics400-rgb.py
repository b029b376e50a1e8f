"""OpenGVLab's VideoMamba-S, Ti, M, 32 frames, Kinetics-400.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: top-1 with 3 crops x 4 clips; theirs, not reproduced here.
    81.5 %  videomamba_s16_k400_f32_res224.pth
    78.8 %  videomamba_t16_k400_f32_res224.pth
    82.4 %  videomamba_m16_k400_f32_res224.pth
    83.9 %  videomamba_m16_k400_mask_ft_f32_res224.pth
    ("mask": with masked pretraining)
Command: python tools/test.py THIS_FILE URL/FILE, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main
    For Ti (t16) and M (m16) add the width:
    --cfg-options model.backbone.arch=tiny model.cls_head.in_channels=192
    --cfg-options model.backbone.arch=middle model.cls_head.in_channels=576
"""

_base_ = 'videomamba-small-p16_opengvlab-8f_kinetics400-rgb.py'

model = dict(backbone=dict(num_frames=32))

test_pipeline = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=32, num_clips=4, test_mode=True),
    dict(type='ClipDecode'),
    dict(type='LongSideThreeCrop', size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
