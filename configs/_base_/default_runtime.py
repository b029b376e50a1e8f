default_scope = 'mmaction'
custom_imports = dict(imports=['mmvideomamba'], allow_failed_imports=False)

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=20, ignore_last=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook', interval=1, max_keep_ckpts=3, save_best='auto'
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Random draws belong to the sample, see docs/training.md.
    sample_randomness=dict(type='SampleRandomnessHook'),
    average_losses=dict(type='AverageLossesHook'),
    sync_buffers=dict(type='SyncBuffersHook'),
    # Saves inside an epoch, every 30 minutes and when the run is to end.
    preemption=dict(type='PreemptionHook'),
    # Switched on by `tools/test.py --show-dir`.
    visualization=dict(type='PredictionVideoHook'),
)
custom_hooks = [
    dict(type='CheckLabelsHook'),
    dict(type='CheckTargetsHook'),
    dict(type='CheckEvaluationHook'),
    # Says what datasets with on_error='skip' could not read.
    dict(type='ReportSkippedHook'),
]

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # Without a GPU mmvideomamba takes gloo instead.
    dist_cfg=dict(backend='nccl'),
)
log_processor = dict(type='LogProcessor', window_size=20, by_epoch=True)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='ActionVisualizer', vis_backends=vis_backends)

log_level = 'INFO'
load_from = None
resume = False
