# Something-Something V2 as OpenGVLab tests it: 8 frames spread over the whole
# video, 2 clips x 3 crops. For tests only.
_base_ = 'kinetics400_opengvlab.py'

test_pipeline = _base_.test_pipeline
test_pipeline[1].num_clips = 2

test_dataloader = dict(
    dataset=dict(
        data_root='data/sthv2',
        ann_file='sthv2_val_list_videos.txt',
        data_prefix=dict(video='videos'),
        pipeline=test_pipeline,
    )
)
