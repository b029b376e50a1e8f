# OpenGVLab's VideoMamba-S: tubelets of one frame, positions in a spatial and
# a temporal part; otherwise the paper's model.
_base_ = 'videomamba_small.py'

model = dict(
    backbone=dict(num_frames=8, tubelet_size=1, pos_embed='factorized'),
    test_cfg=dict(max_testing_views=4),
)
