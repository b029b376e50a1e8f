"""Data preparation, on small sets in the official layouts."""

import json
import os
import shutil

import av
import numpy as np
import pytest
from tool_runner import TOOLS, assert_refused, run_tool

from mmvideomamba.video import write_video

# Python 3.12 warns where the workers are forked from a process with threads;
# pytest's has some, the scripts' have none.
pytestmark = pytest.mark.filterwarnings(
    'ignore:.*use of fork.*:DeprecationWarning'
)


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def lines(path):
    return path.read_text().splitlines()


@pytest.fixture
def hmdb51(tmp_path):
    touch(tmp_path / 'videos', 'clap/a_1.avi', 'clap/b.avi', 'clap/c.avi')
    touch(tmp_path / 'videos', 'wave/a_1.avi', 'wave/(x)#2;.avi')
    splits = tmp_path / 'annotations' / 'testTrainMulti_7030_splits'
    splits.mkdir(parents=True)
    for split in (1, 2, 3):
        (splits / f'clap_test_split{split}.txt').write_text(
            'a_1.avi 1 \nb.avi 2 \nc.avi 0 \n'
        )
        (splits / f'wave_test_split{split}.txt').write_text(
            'a_1.avi 2 \n(x)#2;.avi 1 \n\n'
        )
    return tmp_path


def test_hmdb51(hmdb51):
    run_tool('data/hmdb51.py', hmdb51)
    for split in (1, 2, 3):
        train = lines(hmdb51 / f'hmdb51_train_split_{split}_videos.txt')
        val = lines(hmdb51 / f'hmdb51_val_split_{split}_videos.txt')
        assert train == ['clap/a_1.avi 0', 'wave/(x)#2;.avi 1']
        assert val == ['clap/b.avi 0', 'wave/a_1.avi 1']


def test_hmdb51_with_a_wrong_flag(hmdb51, capsys):
    (path,) = hmdb51.rglob('wave_test_split2.txt')
    path.write_text('a_1.avi 7\n')
    assert_refused(capsys, 'line 1: expected', 'data/hmdb51.py', hmdb51)


@pytest.fixture
def kinetics400(tmp_path):
    (tmp_path / 'annotations').mkdir()
    header = 'label,youtube_id,time_start,time_end,split'
    rows = ['yoga,-a_B,3,13,train', 'air drumming,xyz,110,120,train']
    rows += ['yoga,gone,0,10,train']
    (tmp_path / 'annotations/train.csv').write_text('\n'.join([header, *rows]))
    rows = ['yoga,v0,1,11,val']
    (tmp_path / 'annotations/val.csv').write_text('\n'.join([header, *rows]))
    touch(tmp_path / 'videos_train', '-a_B_000003_000013.mp4')
    touch(tmp_path / 'videos_train', 'air_drumming/xyz_000110_000120.mp4')
    touch(tmp_path / 'videos_val', 'v0_000001_000011.mkv')
    return tmp_path


def test_kinetics400(kinetics400, capsys):
    run_tool('data/kinetics400.py', kinetics400)
    assert lines(kinetics400 / 'kinetics400_train_list_videos.txt') == [
        '-a_B_000003_000013.mp4 1',
        'air_drumming/xyz_000110_000120.mp4 0',
    ]
    assert lines(kinetics400 / 'kinetics400_val_list_videos.txt') == [
        'v0_000001_000011.mkv 1'
    ]
    assert '2 videos, 2 classes, 1 not found' in capsys.readouterr().out


def test_names_with_spaces_need_another_delimiter(kinetics400, capsys):
    folder = kinetics400 / 'videos_train'
    (folder / 'air_drumming').rename(folder / 'air drumming')
    assert_refused(capsys, '--delimiter', 'data/kinetics400.py', kinetics400)
    run_tool('data/kinetics400.py', kinetics400, '--delimiter', ';')
    train = lines(kinetics400 / 'kinetics400_train_list_videos.txt')
    assert 'air drumming/xyz_000110_000120.mp4;0' in train


@pytest.mark.parametrize(
    'spoil, message',
    [
        (lambda r: (r / 'videos_val').rename(r / 'val'), 'no folder'),
        (lambda r: next(r.rglob('*.mkv')).unlink(), 'no videos in'),
        (lambda r: (r / 'annotations/val.csv').unlink(), 'found none'),
        (
            lambda r: (r / 'annotations/val.csv').write_text('a,b\n1,2\n'),
            'has no column label, time_end, time_start, youtube_id',
        ),
        (
            lambda r: next(r.rglob('*.mkv')).rename(
                r / 'videos_val/other.mp4'
            ),
            'none of the 1 annotated videos was found',
        ),
    ],
)
def test_a_wrong_folder_is_named(kinetics400, spoil, message, capsys):
    spoil(kinetics400)
    assert_refused(capsys, message, 'data/kinetics400.py', kinetics400)


@pytest.mark.parametrize('prefix', ['', 'something-something-v2-'])
def test_sthv2(tmp_path, prefix):
    videos = [
        dict(id='7', label='holding a cup', template='Holding [something]'),
        dict(id='12', label='x', template='Moving [a] and [b] closer'),
    ]
    labels = {'Holding something': '0', 'Holding a': '1'}
    labels['Moving a and b closer'] = '2'
    files = dict(labels=labels, train=videos, validation=videos[:1])
    (tmp_path / 'annotations').mkdir()
    for name, content in files.items():
        path = tmp_path / 'annotations' / f'{prefix}{name}.json'
        path.write_text(json.dumps(content))
    labels['Holding something'] = '0'
    touch(tmp_path / 'videos', '7.webm', '12.webm', '13.webm')
    run_tool('data/sthv2.py', tmp_path)
    train = lines(tmp_path / 'sthv2_train_list_videos.txt')
    assert train == ['7.webm 0', '12.webm 2']
    assert lines(tmp_path / 'sthv2_val_list_videos.txt') == ['7.webm 0']


@pytest.fixture
def videos(tmp_path):
    """Two good videos and four bad ones, with their list."""
    folder = tmp_path / 'videos'
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (24, 96, 160, 3), dtype=np.uint8)
    write_video(str(folder / 'good.mp4'), frames)
    write_video(str(folder / 'sub/tall.mp4'), frames.transpose(0, 2, 1, 3))
    write_video(str(folder / 'short.mp4'), frames[:1])
    (folder / 'empty.mp4').touch()
    whole = (folder / 'good.mp4').read_bytes()
    (folder / 'cut.mp4').write_bytes(whole[: len(whole) // 2])
    names = ['good', 'cut', 'empty', 'short', 'gone', 'sub/tall']
    (tmp_path / 'list.txt').write_text(
        ''.join(f'{name}.mp4 {i}\n' for i, name in enumerate(names))
    )
    return tmp_path


def test_check_videos(videos, capsys):
    arguments = videos / 'list.txt', videos / 'videos', '--workers', 2
    run_tool('data/check_videos.py', *arguments)
    clean = lines(videos / 'list_clean.txt')
    assert clean == ['good.mp4 0', 'sub/tall.mp4 5']
    out = capsys.readouterr().out
    assert 'empty.mp4: empty file' in out
    assert 'gone.mp4: not there' in out
    assert 'short.mp4: 1 frames, fewer than 2' in out
    assert 'cut.mp4: unreadable: ' in out
    assert '4 of 6 left out' in out


def test_check_videos_needs_a_list_and_a_folder(videos, capsys):
    script = 'data/check_videos.py'
    assert_refused(capsys, 'no list file', script, videos / 'no.txt', videos)
    (videos / 'list.txt').write_text('good.mp4;0\n')
    assert_refused(
        capsys, 'line 1: expected', script, videos / 'list.txt', videos
    )


def test_resize_videos(videos, capsys):
    target = videos / 'small'
    arguments = videos / 'videos', target, '--short-side', 48, '--workers', 2
    run_tool('data/resize_videos.py', *arguments)
    written = {str(path.relative_to(target)) for path in target.rglob('*.*')}
    assert written == {'good.mp4', 'short.mp4', 'sub/tall.mp4'}
    for name, size in (('good.mp4', (80, 48)), ('sub/tall.mp4', (48, 80))):
        with av.open(str(target / name)) as container:
            video = container.streams.video[0]
            assert (video.width, video.height) == size
            assert sum(1 for _ in container.decode(video)) == 24
            assert video.average_rate == 25
    out = capsys.readouterr().out
    assert 'cut.mp4: unreadable: ' in out
    assert '3 of 5 videos in' in out

    before = (target / 'good.mp4').stat().st_mtime_ns
    run_tool('data/resize_videos.py', *arguments)
    assert (target / 'good.mp4').stat().st_mtime_ns == before


def test_resize_videos_copies_small_ones(videos):
    target = videos / 'same'
    run_tool('data/resize_videos.py', videos / 'videos', target)
    source = videos / 'videos/good.mp4'
    assert (target / 'good.mp4').read_bytes() == source.read_bytes()


def test_resize_videos_of_one_name(videos, capsys):
    source, target = videos / 'videos', videos / 'same'
    arguments = 'data/resize_videos.py', source, target
    short = (source / 'short.mp4').read_bytes()
    (source / 'sub/good.mp4').write_bytes(short)
    run_tool(*arguments)
    assert (target / 'sub/good.mp4').read_bytes() == short
    good = (source / 'good.mp4').read_bytes()
    assert (target / 'good.mp4').read_bytes() == good

    (source / 'sub/good.avi').write_bytes(good)
    message = f'error: {source}/sub/good.avi and {source}/sub/good.mp4 would'
    shutil.rmtree(target)
    assert_refused(capsys, message, *arguments)
    assert not target.exists()


def half_or_die(number):
    if number == 3:
        os._exit(1)
    return number / 2


def test_a_file_that_kills_its_process_stops_nothing(capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS / 'data'))
    from parallel import run_parallel

    results = run_parallel(half_or_die, range(6), 2, on_crash='dead')
    assert results == {0: 0, 1: 0.5, 2: 1, 3: 'dead', 4: 2, 5: 2.5}
    assert list(results) == list(range(6))
