# The paper's: AdamW, 3e-4, one epoch of linear warm-up, then a cosine.
optim_wrapper = dict(
    type='BF16OptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=3e-4,
        betas=(0.9, 0.999),
        weight_decay=0.05,
        fused=True,  # one pass over the parameters
    ),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(
        # Every parameter whose name contains one of these keeps its size:
        # norms, all biases, positions, class token, and the scan's A and D.
        custom_keys={
            part: dict(decay_mult=0.0)
            for part in (
                'norm.weight',
                'bias',
                'pos_embed',
                'cls_token',
                'A_log',
                'mixer.D',
            )
        }
    ),
)

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=30, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

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
        T_max=29,
        by_epoch=True,
        begin=1,
        end=30,
        convert_to_iter_based=True,
    ),
]

# 8 GPUs x 8 clips; `--auto-scale-lr` adapts the rate to another batch size.
auto_scale_lr = dict(enable=False, base_batch_size=64)
