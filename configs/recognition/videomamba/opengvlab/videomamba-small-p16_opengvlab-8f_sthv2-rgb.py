"""OpenGVLab's VideoMamba-S, Ti, M, 8 frames, Something-Something V2.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: top-1 with 3 crops x 2 clips; theirs, not reproduced here.
    66.6 %  videomamba_s16_ssv2_f8_res224.pth
    65.1 %  videomamba_t16_ssv2_f8_res224.pth
    67.3 %  videomamba_m16_ssv2_f8_res224.pth
    70.2 %  videomamba_m16_ssv2_mask_ft_f8_res224.pth
    ("mask": with masked pretraining)
Command: python tools/test.py THIS_FILE URL/FILE, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main
    For Ti (t16) and M (m16) add the width:
    --cfg-options model.backbone.arch=tiny model.cls_head.in_channels=192
    --cfg-options model.backbone.arch=middle model.cls_head.in_channels=576
"""

_base_ = 'videomamba-small-p16_opengvlab-8f_kinetics400-rgb.py'

model = dict(cls_head=dict(num_classes=174))

test_pipeline = [
    dict(type='DecordInit'),
    dict(type='SegmentSample', clip_len=8, num_clips=2),
    dict(type='ClipDecode'),
    dict(type='LongSideThreeCrop', size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_dataloader = dict(
    dataset=dict(
        data_root='data/sthv2',
        ann_file='sthv2_val_list_videos.txt',
        data_prefix=dict(video='videos'),
        pipeline=test_pipeline,
    )
)
