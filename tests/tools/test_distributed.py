"""Training and testing in two CPU processes, which talk through gloo.

A tiny model learns on real video files; the run is stopped and resumed, its
checkpoint tested in two processes and in one.
"""

import math
import os
import pickle
import shutil
import socket
import subprocess
import sys
from functools import partial

import pytest
import torch
from same_runs import assert_same
from small_project import UNREADABLE, write_project
from tool_runner import TOOLS, run_tool

from mmvideomamba.analysis.training_log import (
    read_test_metrics,
    read_training_log,
)


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('project')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield write_project(folder)


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])


def start_distributed(script, config, *arguments, prefix=(), **variables):
    """Start a dist_*.sh in another folder."""
    environ = {
        **os.environ,
        'PYTHON': sys.executable,
        'PYTHONPATH': str(config.parent),
        # A machine with GPUs tests the same.
        'CUDA_VISIBLE_DEVICES': '',
    }
    for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        environ.pop(name, None)
    environ.update(variables)
    return subprocess.Popen(
        [*prefix, 'bash', TOOLS / script, config, *map(str, arguments)],
        cwd=config.parent,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_distributed(*arguments):
    """Run a dist_*.sh; return what it printed."""
    return output_of(start_distributed(*arguments, PORT=free_port()))


def output_of(process):
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


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
def nodes():
    """Two machines' networks, a cable between them: how to run in each.

    Needs root; without it, both nodes are this machine.
    """
    names = [f'mmvm{os.getpid()}{node}' for node in 'ab']
    if os.geteuid() or not shutil.which('ip'):
        yield dict(prefixes=[[], []], address='127.0.0.1', interface='lo')
        return
    ip = partial(subprocess.run, check=True)
    try:
        for name in names:
            ip(['ip', 'netns', 'add', name])
        a, b = names
        cable = 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b
        ip(['ip', '-n', a, 'link', 'add', 'eth0', *cable])
        for number, name in enumerate(names, 1):
            address = f'10.99.0.{number}/24'
            ip(['ip', '-n', name, 'address', 'add', address, 'dev', 'eth0'])
            for device in ('eth0', 'lo'):
                ip(['ip', '-n', name, 'link', 'set', device, 'up'])
        prefixes = [['ip', 'netns', 'exec', name] for name in names]
        yield dict(prefixes=prefixes, address='10.99.0.1', interface='eth0')
    finally:
        for name in names:
            subprocess.run(['ip', 'netns', 'delete', name])


def test_two_nodes_train_like_one(config, trained, nodes):
    work_dir, _ = trained
    apart = config.parent / 'apart'
    port = free_port()
    processes = [
        start_distributed(
            *('dist_train.sh', config, 1, '--seed', 0, '--work-dir', apart),
            prefix=prefix,
            PORT=port,
            OMP_NUM_THREADS='1',  # as each of two processes has here
            NNODES='2',
            NODE_RANK=str(rank),
            MASTER_ADDR=nodes['address'],
            GLOO_SOCKET_IFNAME=nodes['interface'],
        )
        for rank, prefix in enumerate(nodes['prefixes'])
    ]
    for process in processes:
        output_of(process)
    for rank in range(2):
        one, two = (
            torch.load(folder / f'rank{rank}.pth')
            for folder in (work_dir, apart)
        )
        for name, weight in one.items():
            assert torch.equal(weight, two[name]), name
