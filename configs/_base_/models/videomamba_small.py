# The paper's model: 384 channels, 24 blocks, tubelets of 2 x 16 x 16.
model = dict(
    type='Recognizer3D',
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW',
    ),
    backbone=dict(
        type='VideoMamba',
        arch='small',
        img_size=224,
        num_frames=16,
        drop_path_rate=0.1,
    ),
    cls_head=dict(
        type='VideoMambaHead',
        num_classes=400,
        in_channels=384,
        label_smooth_eps=0.1,
        average_clips='prob',
    ),
    # Bounds the memory of multi-view tests; mmaction2 then asks for
    # validation and test batches of one video.
    test_cfg=dict(max_testing_views=6),
)
