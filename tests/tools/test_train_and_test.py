"""Training and testing from the command line, in one and in two processes.

Two CPU processes over gloo train a tiny model on real video files; the run
is stopped and resumed, its checkpoint tested in two processes and in one.
"""

import math
import os
import pickle
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from same_runs import assert_same
from tool_runner import TOOLS, assert_refused, run_tool

from mmvideomamba.analysis.training_log import (
    read_test_metrics,
    read_training_log,
)
from mmvideomamba.cli import train
from mmvideomamba.datasets.motion_shapes import write_motion_shapes

# Clips, drop path and dropout are random. The seed decides what they draw,
# in one process as in two.
CONFIG = """
_base_ = [
    '{configs}/_base_/schedules/adamw_30e.py',
    '{configs}/_base_/default_runtime.py',
]
custom_imports = dict(imports=['mmvideomamba', 'keep_weights'])
custom_hooks = [
    dict(type='CheckLabelsHook'),
    dict(type='ReportSkippedHook'),
    dict(type='KeepWeightsHook'),
]

model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='VideoMamba',
        arch=dict(embed_dims=16, num_layers=2),
        img_size=32,
        num_frames=4,
        drop_path_rate=0.4,
        scan_backend='reference',
    ),
    cls_head=dict(
        type='VideoMambaHead',
        num_classes=8,
        in_channels=16,
        dropout_ratio=0.5,
        average_clips='prob',
    ),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW',
    ),
    test_cfg=dict(max_testing_views=4),
)
test_pipeline = [
    dict(type='DecordInit'),
    dict(
        type='SampleFrames',
        clip_len=4,
        frame_interval=1,
        num_clips=2,
        test_mode=True,
    ),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(48, 32), keep_ratio=False),
    dict(type='ThreeCrop', crop_size=32),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=4, frame_interval=1),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 40)),
    dict(type='RandomCrop', size=32),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CheckedVideoDataset',
        ann_file='{root}/train_list.txt',
        data_prefix=dict(video='{root}/videos'),
        pipeline=train_pipeline,
        on_error='skip',
        max_skipped=0.2,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CheckedVideoDataset',
        ann_file='{root}/test_list.txt',
        data_prefix=dict(video='{root}/videos'),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_dataloader = test_dataloader
val_evaluator = test_evaluator = dict(type='AccMetric')
optim_wrapper = dict(type='OptimWrapper')
train_cfg = dict(max_epochs=2)
default_hooks = dict(logger=dict(interval=1))
"""

# A training video that is skipped.
UNREADABLE = 'orbit_clockwise/train_00004.mp4'

# A module beside the config: every process keeps the weights it ends with.
KEEP_WEIGHTS = """
import torch
from mmengine.hooks import Hook
from mmvideomamba.registry import HOOKS


@HOOKS.register_module()
class KeepWeightsHook(Hook):
    def after_train(self, runner):
        path = f'{runner.work_dir}/rank{runner.rank}.pth'
        model = getattr(runner.model, 'module', runner.model)
        torch.save(model.state_dict(), path)
"""


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('project')
    write_motion_shapes(str(folder / 'data'), 8, 8, num_frames=8, size=64)
    (folder / 'data' / 'videos' / UNREADABLE).write_bytes(b'')
    (folder / 'keep_weights.py').write_text(KEEP_WEIGHTS)
    path = folder / 'tiny.py'
    configs = TOOLS.parent / 'configs'
    path.write_text(CONFIG.format(configs=configs, root=folder / 'data'))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield path


def run_distributed(script, config, *arguments):
    """Run a dist_*.sh in another folder; return what it printed."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = str(probe.getsockname()[1])
    environ = {
        **os.environ,
        'PORT': port,
        'PYTHON': sys.executable,
        'PYTHONPATH': str(config.parent),
        # A machine with GPUs tests the same.
        'CUDA_VISIBLE_DEVICES': '',
    }
    for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        environ.pop(name, None)
    done = subprocess.run(
        ['bash', TOOLS / script, config, *map(str, arguments)],
        cwd=config.parent,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope='module')
def trained(config):
    """The work folder of a run in two processes, and what it printed."""
    output = run_distributed('dist_train.sh', config, 2, '--seed', 0)
    return config.parent / 'work_dirs' / 'tiny', output


def test_two_cpu_processes_train_in_step(config, trained):
    work_dir, output = trained
    assert 'NUM_THREADS' not in output
    log = read_training_log(work_dir)
    assert [record['epoch'] for record in log.train] == [1, 1, 2, 2]
    assert all(math.isfinite(record['loss']) for record in log.train)
    assert [record['step'] for record in log.val] == [1, 2]

    first, second = (
        torch.load(work_dir / f'rank{rank}.pth') for rank in range(2)
    )
    started = torch.load(work_dir / 'epoch_1.pth')['state_dict']
    assert first.keys() == second.keys() == started.keys()
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), name
        if weight.is_floating_point():
            assert not torch.equal(weight, started[name]), name


def test_two_processes_report_a_skipped_video_once(trained):
    _, output = trained
    lines = output.splitlines()
    for epoch in (1, 2):
        (place,) = (
            number
            for number, line in enumerate(lines)
            if f'epoch {epoch}: skipped ' in line
        )
        assert 'skipped 1 of 8 videos' in lines[place]
        assert lines[place + 1].endswith(UNREADABLE)


def test_one_process_and_two_train_alike(config, trained):
    """The same clips and draws; the sums of a batch are added otherwise."""
    work_dir, _ = trained
    alone = config.parent / 'alone'
    options = 'train_dataloader.batch_size=4', 'train_dataloader.num_workers=2'
    run_tool(
        *('train.py', config, '--seed', 0, '--work-dir', alone),
        '--no-validate',
        *('--cfg-options', *options),
    )
    logs = read_training_log(alone), read_training_log(work_dir)
    for one, two in zip(*(log.train for log in logs)):
        assert one['step'] == two['step']
        for key in ('loss', 'top1_acc', 'grad_norm'):
            assert one[key] == pytest.approx(two[key], rel=1e-5), key
    one, two = (torch.load(d / 'rank0.pth') for d in (alone, work_dir))
    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_a_resumed_run_ends_like_an_uninterrupted_one(config, trained):
    work_dir, _ = trained
    # What a run leaves behind that is stopped after its first epoch.
    resumed = config.parent / 'resumed'
    resumed.mkdir()
    shutil.copy(work_dir / 'epoch_1.pth', resumed)
    (resumed / 'last_checkpoint').write_text(str(resumed / 'epoch_1.pth'))
    arguments = '--seed', 0, '--work-dir', resumed, '--resume'
    run_distributed('dist_train.sh', config, 2, *arguments)

    whole, rest = read_training_log(work_dir), read_training_log(resumed)
    for ours, theirs in zip(rest.train, whole.train[2:]):
        for key in ('epoch', 'iter', 'step', 'lr', 'loss', 'grad_norm'):
            assert ours[key] == theirs[key], key
    assert len(rest.train) == 2 and len(rest.val) == 1
    for key in ('step', 'acc/top1', 'acc/top5'):
        assert rest.val[0][key] == whole.val[1][key], key

    actual = torch.load(resumed / 'epoch_2.pth')
    expected = torch.load(work_dir / 'epoch_2.pth')
    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_same(actual[part], expected[part], part)
    for key in ('epoch', 'iter', 'seed'):
        assert actual['meta'][key] == expected['meta'][key]
    # The message hub remembers the first epoch as well.
    for key in ('train/loss', 'train/lr', 'val/acc/top1'):
        histories = [
            checkpoint['message_hub']['log_scalars'][key].data
            for checkpoint in (actual, expected)
        ]
        assert_same(*histories, key)


def test_one_process_and_two_test_alike(config, trained, tmp_path):
    checkpoint = trained[0] / 'epoch_2.pth'
    run_distributed(
        'dist_test.sh',
        config,
        checkpoint,
        2,
        *('--dump', tmp_path / 'two.pkl'),
        *('--work-dir', tmp_path / 'two'),
    )
    run_tool(
        'test.py',
        config,
        checkpoint,
        *('--dump', tmp_path / 'one.pkl'),
        *('--show-dir', tmp_path / 'shown', '--interval', 4),
        *('--work-dir', tmp_path / 'one'),
        # Six views a video at once instead of four and two.
        *('--cfg-options', 'model.test_cfg.max_testing_views=6'),
    )
    two, one = (
        pickle.loads((tmp_path / f'{name}.pkl').read_bytes())
        for name in ('two', 'one')
    )
    assert len(one) == 8
    for ours, theirs in zip(one, two):
        assert ours['gt_label'] == theirs['gt_label']
        torch.testing.assert_close(ours['pred_score'], theirs['pred_score'])
        assert ours['pred_score'].sum().item() == pytest.approx(1)
    metrics = [read_test_metrics(tmp_path / name) for name in ('two', 'one')]
    assert metrics[0]['acc/top1'] == metrics[1]['acc/top1']
    assert len(list((tmp_path / 'shown').rglob('*.mp4'))) == 2


@pytest.fixture
def load_config(config):
    """What train.py makes of the config and its other arguments."""

    def load(*arguments):
        arguments = [str(config), *map(str, arguments)]
        return train.load_config(train.parse_args(arguments))

    return load


def test_amp_is_bfloat16_whatever_the_config_had(load_config):
    given = ['optim_wrapper.type=AmpOptimWrapper']
    given += [
        'optim_wrapper.loss_scale=dynamic',
        'optim_wrapper.dtype=float16',
    ]
    cfg = load_config('--amp', '--cfg-options', *given)
    assert cfg.optim_wrapper.type == 'BF16OptimWrapper'
    assert not {'loss_scale', 'dtype'} & set(cfg.optim_wrapper)
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=1.0)
    with pytest.raises(
        ValueError,
        match="optim_wrapper.type for --amp 'ApexOptimWr', expected",
    ):
        load_config('--amp', '--cfg-options', 'optim_wrapper.type=ApexOptimWr')


def test_arguments_overrule_the_config(load_config, tmp_path):
    cfg = load_config()
    assert cfg.work_dir == os.path.join('work_dirs', 'tiny')
    assert cfg.randomness == dict(seed=None) and not cfg.resume

    checkpoint = tmp_path / 'epoch_1.pth'
    checkpoint.touch()
    cfg = load_config(
        *('--work-dir', 'mine', '--resume', checkpoint, '--seed', 3),
        *('--deterministic', '--no-validate', '--auto-scale-lr'),
        *('--cfg-options', 'train_cfg.max_epochs=7', 'work_dir=theirs'),
    )
    assert cfg.work_dir == 'mine' and cfg.train_cfg.max_epochs == 7
    assert cfg.resume and cfg.load_from == str(checkpoint)
    assert cfg.randomness == dict(seed=3, deterministic=True)
    assert cfg.val_cfg is cfg.val_dataloader is cfg.val_evaluator is None
    assert cfg.auto_scale_lr == dict(enable=True, base_batch_size=64)

    cfg = load_config('--load-from', checkpoint)
    assert not cfg.resume and cfg.load_from == str(checkpoint)


def test_what_is_missing_is_said_in_one_line(config, tmp_path, capsys):
    nothing = tmp_path / 'nothing'
    for message, *arguments in (
        (f'config: no such file: {nothing}', 'train.py', nothing),
        (
            f'--resume: no such file: {nothing}',
            *('train.py', config, '--resume', nothing),
        ),
        (
            f'load_from: no such checkpoint: {nothing}',
            *('train.py', config, '--cfg-options', f'load_from={nothing}'),
        ),
        (f'config: no such file: {nothing}', 'test.py', nothing, nothing),
        (f'checkpoint: no such file: {nothing}', 'test.py', config, nothing),
        (
            "unknown runner_type 'No', expected one of ",
            *('train.py', config, '--cfg-options', 'runner_type=No'),
        ),
        (
            'strategy is a setting of FlexibleRunner',
            *('train.py', config, '--cfg-options'),
            'strategy.type=DDPStrategy',
        ),
        (
            'strategy is a setting of FlexibleRunner',
            *('test.py', config, config, '--cfg-options'),
            'strategy.type=DDPStrategy',
        ),
        (
            'expected auto_scale_lr.base_batch_size',
            *('train.py', config, '--auto-scale-lr', '--cfg-options'),
            'auto_scale_lr=None',
        ),
        (
            '--show and --wait-time are for windows',
            *('test.py', '--show', config, config),
        ),
        (
            '--dump writes .pkl files, got scores.json',
            *('test.py', config, config, '--dump', 'scores.json'),
        ),
        (
            "--interval: expected a whole number of at least 1, got '0'",
            *('test.py', config, config, '--interval', 0),
        ),
    ):
        assert_refused(capsys, message, *arguments)


def test_a_failed_run_and_one_over_another_end_in_one_line(
    config, tmp_path, capsys
):
    def refuse(message, setting, *arguments):
        # Runs of one second would have one name.
        settings = (f'experiment_name={message.replace(" ", "_")}', setting)
        assert_refused(
            capsys,
            message,
            *('train.py', config, '--work-dir', tmp_path),
            *(*arguments, '--cfg-options', *settings),
        )

    refuse('the training has failed', 'optim_wrapper.optimizer.lr=1e30')
    assert not list(tmp_path.glob('*.pth'))
    (tmp_path / 'epoch_1.pth').write_bytes(b'of another run')
    epochs = 'train_cfg.max_epochs=1'
    refuse('has checkpoints of another run', epochs)
    assert (tmp_path / 'epoch_1.pth').read_bytes() == b'of another run'
    refuse('nothing to resume in', epochs, '--resume')


@pytest.mark.parametrize(
    'script, arguments, message',
    [
        ('dist_train.sh', ['nothing.py', '2'], 'no such config: nothing.py'),
        ('dist_train.sh', [__file__, 'two'], 'number of processes'),
        ('dist_train.sh', [__file__], 'usage: '),
        ('dist_test.sh', [__file__, '2'], 'usage: '),
        ('slurm_train.sh', ['gpu', 'job'], 'usage: '),
        ('slurm_test.sh', ['gpu', 'job', 'nothing.py'], 'usage: '),
        ('slurm_train.sh', ['gpu', 'job', 'nothing.py'], 'no such config'),
    ],
)
def test_scripts_say_what_is_missing(script, arguments, message):
    done = subprocess.run(
        ['bash', TOOLS / script, *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]


def test_slurm_starts_one_process_on_each_gpu(config, tmp_path):
    # A stand-in for srun that tells how it was called.
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    environ = {
        **os.environ,
        'PATH': f'{tmp_path}:{os.environ["PATH"]}',
        'GPUS': '4',
        'PYTHON': sys.executable,
        'SRUN_ARGS': '--mem=64G --exclusive',
    }
    words = subprocess.run(
        ['bash', TOOLS / 'slurm_test.sh', 'gpu', 'mine', config, 'a b.pth'],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.splitlines()
    python = words.index(sys.executable)
    assert {
        *('--partition=gpu', '--job-name=mine', '--ntasks=4'),
        *('--ntasks-per-node=4', '--gres=gpu:4', '--mem=64G', '--exclusive'),
    } <= set(words[:python])
    assert words[python:] == [
        *(sys.executable, '-u', f'{TOOLS}/test.py', str(config), 'a b.pth'),
        *('--launcher', 'slurm'),
    ]


@pytest.mark.parametrize('installed', [True, False])
def test_an_installed_package_comes_before_the_checkout(
    config, tmp_path, installed
):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\necho "$PYTHONPATH"\n')
    # Without site-packages, whatever is installed there.
    python = tmp_path / 'python'
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    for script in (srun, python):
        script.chmod(0o755)
    site = tmp_path / 'site'
    site.mkdir()
    if installed:
        (site / 'mmvideomamba.py').touch()
    path = subprocess.run(
        ['bash', TOOLS / 'slurm_train.sh', 'gpu', 'mine', config],
        env={
            **os.environ,
            'PATH': f'{tmp_path}:{os.environ["PATH"]}',
            'PYTHON': str(python),
            'PYTHONPATH': str(site),
        },
        cwd=TOOLS.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()
    *checkout, last = path.split(':')
    assert last == str(site)
    expected = [] if installed else [TOOLS.parent]
    assert [Path(folder).resolve() for folder in checkout] == expected
