"""The scripts that run an interrupted training again, with stand-ins."""

import os
import signal
import subprocess
import time

import pytest
from tool_runner import TOOLS

# Trains in `rounds`; is interrupted in all but the last, or when it is warned.
TRAINING = """#!/usr/bin/env bash
work_dir=$1 rounds=$2
interrupt() { touch "$work_dir/interrupted"; exit 75; }
trap 'echo warned; interrupt' TERM USR1
[ -e "$work_dir/interrupted" ] && echo stale
echo round >> "$work_dir/rounds"
touch "$work_dir/started"
[ "$rounds" = endless ] && while :; do sleep 0.05; done
[ "$(wc -l < "$work_dir/rounds")" -lt "$rounds" ] && interrupt
exit ${3:-0}
"""


@pytest.fixture
def training(tmp_path):
    path = tmp_path / 'training'
    path.write_text(TRAINING)
    path.chmod(0o755)
    return path


def rerun(work_dir, *command):
    return subprocess.Popen(
        ['bash', TOOLS / 'rerun_interrupted.sh', work_dir, *command],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize('code', ['0', '1'])
def test_a_training_is_run_until_nothing_interrupts_it(
    tmp_path, training, code
):
    # Of an earlier training.
    (tmp_path / 'interrupted').touch()
    process = rerun(tmp_path, training, tmp_path, '3', code)
    assert process.communicate(timeout=20)[0] == ''
    assert process.returncode == int(code)
    assert (tmp_path / 'rounds').read_text() == 'round\n' * 3


@pytest.mark.parametrize('warning', [signal.SIGTERM, signal.SIGUSR1])
def test_a_warning_is_handed_on(tmp_path, training, warning):
    process = rerun(tmp_path, training, tmp_path, 'endless')
    while not (tmp_path / 'started').exists():
        time.sleep(0.01)
    process.send_signal(warning)
    assert process.communicate(timeout=20)[0] == 'warned\n'
    assert process.returncode == 75
    assert (tmp_path / 'rounds').read_text() == 'round\n'


@pytest.mark.parametrize('code, interrupted', [(0, 0), (75, 1), (137, 1)])
def test_slurm_queues_an_interrupted_job_again(tmp_path, code, interrupted):
    work_dir = tmp_path / 'work dir'
    work_dir.mkdir()
    stand_ins = dict(
        srun=f'printf "%s\\n" "$@"\n'
        f'[ {interrupted} = 0 ] || touch "{work_dir}/interrupted"\n'
        f'exit {code}\n',
        scontrol='echo scontrol "$@"\n',
    )
    for name, body in stand_ins.items():
        (tmp_path / name).write_text(f'#!/bin/sh\n{body}')
        (tmp_path / name).chmod(0o755)
    # Slurm runs a copy of the script.
    script = tmp_path / 'slurm_script'
    script.write_text((TOOLS / 'slurm_train.sbatch').read_text())
    done = subprocess.run(
        ['bash', script, __file__, work_dir, '--amp'],
        cwd=TOOLS.parent,
        env={
            **os.environ,
            'PATH': f'{tmp_path}:{os.environ["PATH"]}',
            'SLURM_JOB_ID': '17',
            'SLURM_JOB_NAME': 'mine',
            'SLURM_JOB_PARTITION': 'gpu',
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    words = done.stdout.splitlines()
    assert done.returncode == code
    assert words[words.index(__file__) :][:5] == [
        *(__file__, '--work-dir', str(work_dir), '--resume', '--amp')
    ]
    assert '--job-name=mine' in words
    assert words.count('scontrol requeue 17') == interrupted
