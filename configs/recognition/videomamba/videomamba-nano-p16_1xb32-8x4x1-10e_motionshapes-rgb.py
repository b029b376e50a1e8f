"""The nano model for the ablations on MotionShapes: a third of the epochs.

Command: python tools/analysis_tools/ablation.py NAME
Hardware: 2 CPU cores, minutes.
Result: docs/experiments.md.
Ours: 10 epochs. After 30 several rows of a table are close to 100 % and no
    longer differ.
"""

_base_ = 'videomamba-nano-p16_1xb32-8x4x1-30e_motionshapes-rgb.py'

train_cfg = dict(max_epochs=10)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        by_epoch=True,
        begin=0,
        end=1,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-6,
        T_max=9,
        by_epoch=True,
        begin=1,
        end=10,
        convert_to_iter_based=True,
    ),
]
