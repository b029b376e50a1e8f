"""The config of a training on one's own videos.

It is written out, without bases, so that mmaction2's tools run it too.
"""

import math
import os
from typing import Any, Dict, List, NamedTuple, Optional

from ..datasets.class_folders import OwnVideos, choose_delimiter
from ..models.videomamba import ARCHS
from .start import Start

# With fewer training videos a class, the first half of the blocks is frozen.
FEW_VIDEOS = 50


class Recipe(NamedTuple):
    """How to train.

    Attributes:
        rate (float): The highest learning rate, for a batch of 64 clips.
        clips (int): Clips that the model sees in all epochs.
        backbone (dict): Settings of the backbone.
        layer_decay (float): From the rate of one block to that of the block
            before it.
        hooks (str): Further hooks.
        notes (list[str]): Why, for the config.
    """

    rate: float
    clips: int
    backbone: Dict[str, Any]
    layer_decay: float
    hooks: str
    notes: List[str]


def make_config(
    videos: OwnVideos,
    start: Start,
    work_dir: str,
    epochs: Optional[int] = None,
    workers: int = 2,
    on_gpu: bool = False,
    seed: int = 0,
) -> str:
    """Write the config of a training.

    Args:
        videos (OwnVideos): Divided, see `split_off_validation`.
        start (Start): What to train.
        work_dir (str): Where the lists are.
        epochs (int, optional): None: until the model has seen as many clips
            as its recipe says, within 10 to 100 epochs.
        workers (int): Processes that read videos.
        on_gpu (bool): Whether it will run on a GPU.
        seed (int): Of all that is random.
    """
    arch = start.backbone['arch']
    num_train, num_classes = len(videos.splits['train']), len(videos.classes)
    if start.weights is None:
        recipe = _from_scratch(arch)
    else:
        recipe = _from_weights(arch, start.weights, num_train / num_classes)
    batch = min(32 if arch == 'nano' else 8, max(2, num_train // 4))
    epochs = epochs or max(10, min(100, round(recipe.clips / num_train)))
    size = start.backbone['img_size']
    return TEMPLATE.format(
        work_dir=work_dir,
        preprocessor=_format_dict(start.preprocessor),
        backbone=_format_dict({**start.backbone, **recipe.backbone}),
        num_classes=num_classes,
        dims=ARCHS[arch]['embed_dims'],
        topk=(1, 5) if num_classes >= 10 else (1,),
        frames=start.backbone['num_frames'],
        size=size,
        resize=size * 9 // 8,
        folder=os.path.abspath(videos.folder),
        delimiter=choose_delimiter(videos),
        batch=batch,
        workers=workers,
        notes='\n'.join(f'# {note}' for note in recipe.notes),
        wrapper='BF16OptimWrapper' if on_gpu else 'OptimWrapper',
        rate=f'{recipe.rate * batch / 64:.4g}',
        layer_decay=recipe.layer_decay,
        hooks=recipe.hooks,
        epochs=epochs,
        warm_up=math.ceil(num_train / batch),
        interval=max(1, num_train // batch // 4),
        seed=seed,
    )


def _from_scratch(arch: str) -> Recipe:
    return Recipe(
        rate=4e-3,
        clips=24_000,
        backbone=dict(drop_path_rate=0.0 if arch == 'nano' else 0.1),
        layer_decay=1.0,
        hooks='',
        notes=['Random weights take a high rate and many epochs.'],
    )


def _from_weights(arch: str, weights: str, videos_of_class: float) -> Recipe:
    backbone: Dict[str, Any] = dict(
        init_cfg=dict(type='Pretrained', checkpoint=weights)
    )
    notes = [
        "The paper's rate, and less for earlier blocks, which know most "
        'already.',
        'Few steps are noisy: tested is the mean of the last weights (EMA).',
    ]
    if videos_of_class < FEW_VIDEOS:
        backbone['frozen_stages'] = ARCHS[arch]['num_layers'] // 2
        notes.append('Few videos: the first half of the blocks stays frozen.')
    return Recipe(
        rate=3e-4,
        clips=5_000,
        backbone=backbone,
        layer_decay=0.75,
        hooks="\n    dict(type='EMAHook', momentum=0.001),",
        notes=notes,
    )


def _format_dict(values: Dict[str, Any]) -> str:
    lines = [f'        {name}={value!r},' for name, value in values.items()]
    return '\n'.join(['dict(', *lines, '    )'])


TEMPLATE = '''\
"""Written by `mmvideomamba finetune` for the videos in {folder}.

A config like any other: edit it, and
    mmvideomamba train THIS_FILE
"""

default_scope = 'mmaction'
custom_imports = dict(imports=['mmvideomamba'], allow_failed_imports=False)
# Where checkpoints and logs go.
work_dir = {work_dir!r} + '/run'

model = dict(
    type='Recognizer3D',
    data_preprocessor={preprocessor},
    backbone={backbone},
    cls_head=dict(
        type='VideoMambaHead',
        num_classes={num_classes},
        in_channels={dims},
        label_smooth_eps=0.1,
        topk={topk},
    ),
)

# No flip: left and right may be what tells two classes apart.
train_pipeline = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len={frames}),
    dict(type='ClipDecode', scale=(-1, {resize})),
    dict(type='RandomCrop', size={size}),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
val_pipeline = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len={frames}, test_mode=True),
    dict(type='ClipDecode', scale=(-1, {resize})),
    dict(type='CenterCrop', crop_size={size}),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
dataset = dict(
    type='CheckedVideoDataset',
    data_prefix=dict(video={folder!r}),
    delimiter={delimiter!r},
    num_classes={num_classes},
    metainfo=dict(classes={work_dir!r} + '/classes.txt'),
)
train_dataloader = dict(
    batch_size={batch},
    num_workers={workers},
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        **dataset,
        ann_file={work_dir!r} + '/train_list.txt',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size={batch},
    num_workers={workers},
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        ann_file={work_dir!r} + '/val_list.txt',
        pipeline=val_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='AccMetric', metric_options=dict(top_k_accuracy=dict(topk={topk}))
)
test_evaluator = val_evaluator

{notes}
optim_wrapper = dict(
    type={wrapper!r},
    constructor='LayerDecayOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr={rate}, weight_decay=0.05),
    paramwise_cfg=dict(
        layer_decay={layer_decay},
        custom_keys={{
            part: dict(decay_mult=0.0)
            for part in (
                'norm.weight',
                'bias',
                'pos_embed',
                'cls_token',
                'A_log',
                'mixer.D',
            )
        }},
    ),
    clip_grad=dict(max_norm=1.0),
)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs={epochs})
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end={warm_up}),
    dict(
        type='CosineAnnealingLR',
        T_max={epochs},
        end={epochs},
        eta_min_ratio=0.001,
        convert_to_iter_based=True,
    ),
]

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval={interval}, ignore_last=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook', interval=1, max_keep_ckpts=1, save_best='auto'
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    sample_randomness=dict(type='SampleRandomnessHook'),
    # Saves inside an epoch, every 30 minutes and when the run is to end.
    preemption=dict(type='PreemptionHook'),
    sync_buffers=dict(type='SyncBuffersHook'),
)
custom_hooks = [
    dict(type='CheckLabelsHook'),
    dict(type='CheckTargetsHook'),
    dict(type='CheckEvaluationHook'),{hooks}
]
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
log_processor = dict(type='LogProcessor', window_size={interval})
visualizer = dict(
    type='ActionVisualizer', vis_backends=[dict(type='LocalVisBackend')]
)
randomness = dict(seed={seed})
'''
