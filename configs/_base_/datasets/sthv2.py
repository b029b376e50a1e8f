# Something-Something V2: 16 frames spread over the whole video; tested with
# 2 clips x 3 crops. Otherwise as Kinetics-400, but never flipped: left and
# right are what the classes are about.
_base_ = 'kinetics400.py'

data_root = 'data/sthv2'

train_pipeline = [t for t in _base_.train_pipeline if t.type != 'Flip']
train_pipeline[1] = dict(type='UniformSample', clip_len=16)
val_pipeline = _base_.val_pipeline
val_pipeline[1] = dict(type='UniformSample', clip_len=16, test_mode=True)
test_pipeline = _base_.test_pipeline
test_pipeline[1] = dict(
    type='UniformSample', clip_len=16, num_clips=2, test_mode=True
)

train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='sthv2_train_list_videos.txt',
        data_prefix=dict(video='videos'),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='sthv2_val_list_videos.txt',
        data_prefix=dict(video='videos'),
        pipeline=val_pipeline,
    )
)
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='sthv2_val_list_videos.txt',
        data_prefix=dict(video='videos'),
        pipeline=test_pipeline,
    )
)
