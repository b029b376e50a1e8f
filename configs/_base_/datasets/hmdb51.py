# HMDB51, split 1: as Kinetics-400, tested with 10 clips x 3 crops.
_base_ = 'kinetics400.py'

data_root = 'data/hmdb51'

test_pipeline = _base_.test_pipeline
test_pipeline[1].num_clips = 10

train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='hmdb51_train_split_1_videos.txt',
        data_prefix=dict(video='videos'),
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='hmdb51_val_split_1_videos.txt',
        data_prefix=dict(video='videos'),
    )
)
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='hmdb51_val_split_1_videos.txt',
        data_prefix=dict(video='videos'),
        pipeline=test_pipeline,
    )
)
