"""OpenGVLab's masked VideoMamba-M, 16 frames, 288 px, Something-Something V2.

Not the paper's model but the concurrent one of arXiv 2403.06977. Its authors
test it on the frames of their Kinetics-400 protocol (`UniformSample`), their
other models of Something-Something V2 on those of VideoMAE's
(`SegmentSample`).
Result: top-1 with 3 crops x 2 clips; theirs, not reproduced here.
    71.4 %  videomamba_m16_ssv2_mask_ft_f16_res224to288.pth
    ("mask": with masked pretraining)
Command: python tools/test.py THIS_FILE URL/FILE, where URL is
    https://huggingface.co/OpenGVLab/VideoMamba/resolve/main
"""

_base_ = 'videomamba-small-p16_opengvlab-8f_kinetics400-rgb.py'

model = dict(
    backbone=dict(arch='middle', img_size=288, num_frames=16),
    cls_head=dict(num_classes=174, in_channels=576),
)

test_pipeline = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=16, num_clips=2, test_mode=True),
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
