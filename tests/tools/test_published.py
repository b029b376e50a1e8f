"""`test NAME`: public weights, and whether they do as published."""

import pytest
from small_checkpoints import save_wrapped
from small_zoo import NAME, OPTIONS, small_state, small_zoo
from tool_runner import assert_refused, run_command
from video_files import write_frames

from mmvideomamba import get_model, recognize

SMALLER = {
    'test_dataloader.num_workers': 0,
    'test_dataloader.persistent_workers': False,
    'test_dataloader.dataset.pipeline.3.size': 32,
}
LIST = 'kinetics400_val_list_videos.txt'


@pytest.fixture(scope='module')
def kinetics(tmp_path_factory):
    """Five videos, four with the label that the model gives; two others."""
    root = tmp_path_factory.mktemp('kinetics')
    videos = root / 'videos_val'
    videos.mkdir()
    names = [f'{number}.mp4' for number in range(5)]
    for number, name in enumerate(names):
        write_frames(videos / name, range(0, 400 - 40 * number, 40))
    zoo = tmp_path_factory.mktemp('zoo')
    with small_zoo(zoo, options={**OPTIONS, **SMALLER}):
        model = get_model(NAME)
        answers = [
            int(scores[0].name.split()[1])
            for scores in recognize(model, [videos / name for name in names])
        ]
    answers[2] = (answers[2] + 1) % 5
    (videos / 'broken.mp4').write_bytes(b'no video')
    lines = [f'{n} {a}' for n, a in zip(names, answers)]
    lines[1:1] = ['gone.mp4 0', 'broken.mp4 1']
    (root / LIST).write_text('\n'.join(lines))
    return root


def reproduce(folder, published, kinetics, *arguments):
    # mmengine has one experiment of a name and a second in a process.
    name = f'experiment_name={folder.name}'
    with small_zoo(folder, published, {**OPTIONS, **SMALLER}):
        run_command(
            *('test', NAME, *arguments, '--data-root', kinetics, '--brief'),
            *('--work-dir', folder / 'work', '--cfg-options', name),
        )


def test_weights_that_do_as_published(tmp_path, kinetics, capsys):
    reproduce(tmp_path, 80.2, kinetics)
    lines = capsys.readouterr().out.splitlines()
    assert 'gone.mp4: unreadable: there is no such file' in lines
    assert any(line.startswith('broken.mp4: unreadable: ') for line in lines)
    # What is wrong comes first.
    (left_out,) = (line for line in lines if '2 of 7 videos' in line)
    list_path = tmp_path / 'work' / 'usable_videos.txt'
    assert left_out.endswith(f'the others are in {list_path}')
    assert len(list_path.read_text().splitlines()) == 5
    assert lines.index(left_out) < len(lines) - 6
    assert lines[-5:] == [
        f'{NAME}, Kinetics-400',
        'videos      5 of 7',
        'measured    80.00 %',
        'published   80.20 %  (nobody)',
        'difference  -0.20 points',
    ]


def test_beyond_three_tenths_of_a_point_the_status_is_1(
    tmp_path, kinetics, capsys
):
    # A file of the weights takes the place of the download.
    weights = save_wrapped(tmp_path / 'weights.pth', small_state())
    with pytest.raises(SystemExit) as exit_info:
        reproduce(tmp_path, 80.4, kinetics, weights)
    assert exit_info.value.code == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == 'difference  -0.40 points'
    assert not (tmp_path / 'hub').exists()


def test_what_is_not_there_is_said_before_anything_is_tested(
    tmp_path, kinetics, capsys
):
    with small_zoo(tmp_path):
        arguments = ('test.py', NAME, '--data-root')
        assert_refused(capsys, 'no list file', *arguments, tmp_path)
        assert_refused(capsys, 'no folder', *arguments, tmp_path / 'no')
        (tmp_path / LIST).write_text((kinetics / LIST).read_text())
        message = '7 of the 7 videos named in'
        assert_refused(capsys, message, *arguments, tmp_path)
        recipe = 'videomamba-nano-p16_1xb32-8x4x1-30e_motionshapes-rgb'
        message = f'error: {recipe} comes without weights'
        assert_refused(capsys, message, 'test.py', recipe)
    assert not (tmp_path / 'work_dirs').exists()


def test_public_weights_are_not_trained_but_fine_tuned(capsys):
    message = 'can be tested, not trained'
    assert_refused(capsys, message, 'train.py', NAME)
    assert_refused(capsys, "called 'resnet50'", 'train.py', 'resnet50')
