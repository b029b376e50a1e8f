# Kinetics-400 as OpenGVLab tests it: 8 frames spread over the whole video,
# 4 clips x 3 crops. For tests only.
test_pipeline = [
    dict(type='DecordInit'),
    dict(type='SparseSampleFrames', clip_len=8, num_clips=4, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='LongSideThreeCrop', size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]

test_dataloader = dict(
    batch_size=1,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CheckedVideoDataset',
        data_root='data/kinetics400',
        ann_file='kinetics400_val_list_videos.txt',
        data_prefix=dict(video='videos_val'),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_evaluator = dict(type='AccMetric')
test_cfg = dict(type='TestLoop')
