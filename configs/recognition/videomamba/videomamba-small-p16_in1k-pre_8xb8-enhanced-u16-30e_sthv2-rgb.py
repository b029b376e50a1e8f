"""VideoMamba-S, 16 frames, Something-Something V2, with a stronger recipe.

Paper: no row; this recipe is not the paper's. No result yet.
Command: bash tools/dist_train.sh THIS_FILE 8
Hardware: 8 GPUs with 8 clips each; the paper does not name its own.
From the paper: the model, 16 frames, batch 64.
Ours, after OpenGVLab's VideoMamba (arXiv 2403.06977): mixup 0.8 or cutmix 1;
    every video twice in a batch; 30 epochs, 5 of warm-up; 4e-4 x (64 x 2) /
    256 as the rate; drop path 0.35. The rest as inherited.
"""

_base_ = 'videomamba-small-p16_in1k-pre_8xb8-u16-35e_sthv2-rgb.py'

model = dict(
    data_preprocessor=dict(
        blending=dict(
            type='RandomBatchAugment',
            augments=[
                dict(type='MixupBlending', alpha=0.8, num_classes=174),
                dict(type='CutmixBlending', alpha=1.0, num_classes=174),
            ],
        )
    ),
    backbone=dict(drop_path_rate=0.35),
)

train_dataloader = dict(
    dataset=dict(type='CheckedRepeatAugDataset', num_repeats=2),
    collate_fn=dict(type='repeat_pseudo_collate'),
)

optim_wrapper = dict(optimizer=dict(lr=2e-4))
train_cfg = dict(max_epochs=30)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        by_epoch=True,
        begin=0,
        end=5,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-6,
        T_max=25,
        by_epoch=True,
        begin=5,
        end=30,
        convert_to_iter_based=True,
    ),
]
