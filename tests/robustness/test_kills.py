"""Trainings killed at random moments, resumed: the uninterrupted run."""

import shutil
import signal
import time

import pytest
from killed_runs import KilledRun, free_port, write_videos
from same_runs import assert_same_runs


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The data, the uninterrupted run, and how long it took."""
    folder = tmp_path_factory.mktemp('whole')
    data = write_videos(folder / 'data')
    start = time.perf_counter()
    assert KilledRun(data, folder / 'run').wait() == 0
    return data, folder / 'run', time.perf_counter() - start


def test_killed_runs_end_like_the_uninterrupted_one(campaign, whole, tmp_path):
    data, expected, seconds = whole
    for case in campaign.cases(20, as_test=1):
        with case:
            work_dir = tmp_path / f'{case.seed}'
            saving = bool(case.seed % 2)
            kills = int(case.random.integers(1, 3))
            code = None
            for start in range(kills):
                run = KilledRun(data, work_dir, resume=start > 0)
                if saving:
                    run.wait_for_saving(int(case.random.integers(1, 8)))
                else:
                    run.wait_for(case.random.uniform(0.1, 0.9) * seconds)
                run.send(signal.SIGKILL)
                code = run.wait()
            if code != 0:
                code = KilledRun(data, work_dir, resume=True).wait()
            assert code == 0
            assert_same_runs(work_dir, expected)
            shutil.rmtree(work_dir)
            case.outcome(f'killed {"saving" if saving else "at random"}')


def test_two_processes_end_together(campaign, whole, tmp_path):
    data, *_ = whole

    def start(work_dir, resume=False):
        port = free_port()
        return [
            KilledRun(data, work_dir, resume, rank, port) for rank in range(2)
        ]

    def wait(runs):
        return [run.wait() for run in runs]

    for case in campaign.cases(4, as_test=0):
        expected = tmp_path / 'two'
        if not expected.exists():
            assert wait(start(expected)) == [0, 0]
        with case:
            work_dir = tmp_path / f'{case.seed}'
            runs = start(work_dir)
            runs[0].wait_for_saving(int(case.random.integers(1, 5)))
            warned = case.seed % 2
            runs[warned].send(signal.SIGUSR1)
            assert wait(runs) == [75, 75]
            assert (work_dir / 'interrupted').exists()
            assert wait(start(work_dir, resume=True)) == [0, 0]
            assert_same_runs(work_dir, expected)
            case.outcome(f'warned process {warned}')
