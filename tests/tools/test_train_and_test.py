"""What train.py, test.py and the launch scripts make of their arguments."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_project import write_project
from tool_runner import TOOLS, assert_refused

from mmvideomamba.cli import train


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('project')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield write_project(folder)


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


def test_amp_is_float16_where_that_is_asked_for(load_config, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match='--amp fp16 needs a GPU'):
        load_config('--amp', 'fp16')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    wrapper = load_config('--amp', 'fp16').optim_wrapper
    assert wrapper.type == 'AmpOptimWrapper'
    assert (wrapper.dtype, wrapper.loss_scale) == ('float16', 'dynamic')
    assert wrapper.clip_grad == dict(max_norm=1.0)


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
