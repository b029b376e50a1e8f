"""OpenGVLab's VideoMamba-S, Ti, M, 16 frames, 288 px, Something-Something V2.

Not the paper's model but the concurrent one of arXiv 2403.06977.
Result: top-1 with 3 crops x 2 clips; theirs, not reproduced here.
    68.1 %  videomamba_s16_ssv2_f16_res224to288.pth
    66.2 %  videomamba_t16_ssv2_f16_res224to288.pth
    68.4 %  videomamba_m16_ssv2_f16_res224to288.pth
    M with masked pretraining is tested on other frames: see
    videomamba-middle-p16-288px_opengvlab-mask-16f_sthv2-rgb.py.
Command: python tools/test.py THIS_FILE URL/FILE, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main
    For Ti (t16) and M (m16) add the width:
    --cfg-options model.backbone.arch=tiny model.cls_head.in_channels=192
    --cfg-options model.backbone.arch=middle model.cls_head.in_channels=576
"""

_base_ = 'videomamba-small-p16_opengvlab-8f_kinetics400-rgb.py'

model = dict(
    backbone=dict(img_size=288, num_frames=16),
    cls_head=dict(num_classes=174),
)

test_pipeline = [
    dict(type='DecordInit'),
    dict(type='SegmentSample', clip_len=16, num_clips=2),
    dict(type='ClipDecode'),
    dict(type='LongSideThreeCrop', size=288),
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
