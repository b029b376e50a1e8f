"""`--resume`: the newest sound checkpoint, whatever `last_checkpoint` says."""

import shutil

import pytest
import torch
from mmengine.runner import FlexibleRunner, Runner, find_latest_checkpoint
from small_runs import small_runner, weights_of


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('trained')
    small_runner(folder, train_cfg=dict(by_epoch=True, max_epochs=3)).train()
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a run of 3 epochs."""
    folder = tmp_path / 'run'
    shutil.copytree(trained, folder)
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_3.pth'))
    return folder


@pytest.mark.parametrize(
    'pointer',
    [None, '', 'gone.pth', '/nowhere/epoch_9.pth', '\0', 'http://a/b.pth'],
)
def test_the_newest_is_found_whatever_the_pointer_says(run, pointer):
    (run / 'last_checkpoint').unlink()
    if pointer is not None:
        (run / 'last_checkpoint').write_text(pointer)
    assert find_latest_checkpoint(str(run)) == str(run / 'epoch_3.pth')


def cut(path):
    path.write_bytes(path.read_bytes()[:-300])


def flip(path):
    content = bytearray(path.read_bytes())
    place = content.index(torch.load(path)['state_dict']['weight'].numpy())
    content[place] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b'')


def not_finite(path):
    content = torch.load(path)
    content['state_dict']['weight'][0] = float('nan')
    torch.save(content, path)


@pytest.mark.parametrize('damage', [cut, flip, empty, not_finite])
def test_damaged_ones_are_passed_over_by_name(run, damage, monkeypatch):
    logged = []
    monkeypatch.setattr(
        'mmvideomamba.runner.find_checkpoint.print_log',
        lambda message, *_: logged.append(message),
    )
    damage(run / 'epoch_3.pth')
    assert find_latest_checkpoint(str(run)) == str(run / 'epoch_2.pth')
    assert any('passed over epoch_3.pth' in message for message in logged)


def test_best_files_and_others_are_no_states(run):
    content = torch.load(run / 'epoch_3.pth')
    del content['optimizer']
    torch.save(content, run / 'epoch_3.pth')
    torch.save(dict(a=torch.ones(2)), run / 'weights.pth')
    assert find_latest_checkpoint(str(run)) == str(run / 'epoch_2.pth')


@pytest.mark.parametrize('runner_type', [Runner, FlexibleRunner])
def test_a_run_goes_on_from_it(trained, run, runner_type):
    (run / 'epoch_3.pth').unlink()
    runner = small_runner(
        run,
        runner_type,
        resume=True,
        train_cfg=dict(by_epoch=True, max_epochs=3),
    )
    runner.train()
    expected = torch.load(trained / 'epoch_3.pth')['state_dict']
    assert torch.equal(weights_of(runner)[:5], expected['weight'])


def test_nothing_to_resume(run, tmp_path):
    for path in run.glob('*.pth'):
        cut(path)
    with pytest.raises(ValueError, match='nothing to resume in .*cut short'):
        find_latest_checkpoint(str(run))
    for path in run.glob('*.pth'):
        path.unlink()
    with pytest.raises(ValueError, match=r'says .*epoch_3\.pth'):
        find_latest_checkpoint(str(run))
    assert find_latest_checkpoint(str(tmp_path / 'new')) is None


def test_files_in_another_folder_are_found(run, tmp_path):
    other = tmp_path / 'of_out_dir'
    other.mkdir()
    for path in run.glob('*.pth'):
        shutil.move(path, other)
    (run / 'last_checkpoint').write_text(str(other / 'epoch_1.pth'))
    assert find_latest_checkpoint(str(run)) == str(other / 'epoch_3.pth')


def test_a_file_that_cannot_be_used_names_one_that_can(run):
    cut(run / 'epoch_3.pth')
    for resume in (True, False):
        runner = small_runner(
            run.parent / 'b',
            load_from=str(run / 'epoch_3.pth'),
            resume=resume,
        )
        with pytest.raises(ValueError, match='cut short.*Take .*epoch_2.pth'):
            runner.train()


def test_a_file_without_optimizer_names_one_that_has_it(run):
    content = torch.load(run / 'epoch_3.pth')
    del content['optimizer'], content['param_schedulers']
    best = run / 'best_acc_epoch_3.pth'
    torch.save(content, best)
    for runner_type in (Runner, FlexibleRunner):
        runner = small_runner(
            run, runner_type, load_from=str(best), resume=True
        )
        with pytest.raises(
            ValueError,
            match=r'has no optimizer, param_schedulers, .*Take .*epoch_3\.pth',
        ):
            runner.train()
