"""Data preparation, on small sets in the official layouts."""

import json
import os
import shutil

import av
import numpy as np
import pytest
from tool_runner import assert_refused, run_tool
from video_files import (
    MIRRORS,
    TURNS,
    read_times,
    set_display_matrix,
    shown,
    write_frames,
    write_sound,
)

from mmvideomamba.video import open_video, write_video
from mmvideomamba.video_files import VIDEO_SUFFIXES


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def lines(path):
    return path.read_text('utf-8').splitlines()


def run_with_losses(*arguments):
    """Run a tool that ends with status 1."""
    with pytest.raises(SystemExit) as exit_info:
        run_tool(*arguments)
    assert exit_info.value.code == 1


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
    run_with_losses('data/check_videos.py', *arguments)
    clean = lines(videos / 'list_clean.txt')
    assert clean == ['good.mp4 0', 'sub/tall.mp4 5']
    out = capsys.readouterr().out
    assert 'empty.mp4: unreadable: the file is empty' in out
    assert 'gone.mp4: unreadable: there is no such file' in out
    assert 'short.mp4: 1 frames, fewer than 2' in out
    assert 'cut.mp4: unreadable: ' in out
    assert '4 of 6 left out' in out


def test_check_videos_of_a_sound_list(videos, capsys):
    (videos / 'list.txt').write_text(
        '\ufeffgood.mp4 wave\r\nsub/tall.mp4 shake hands\r\n', 'utf-8'
    )
    (videos / 'classes.txt').write_text('shake hands\nwave\n')
    arguments = videos / 'list.txt', videos / 'videos', '--classes'
    run_tool('data/check_videos.py', *arguments, videos / 'classes.txt')
    assert lines(videos / 'list_clean.txt') == [
        'good.mp4 1',
        'sub/tall.mp4 0',
    ]
    assert '0 of 2 left out' in capsys.readouterr().out


def test_check_videos_names_whatever_there_is(videos, capsys):
    folder = videos / 'videos'
    write_sound(folder / 'sound.mp4')
    (folder / 'folder.mp4').mkdir()
    os.mkfifo(folder / 'fifo.mp4')
    (folder / 'text.mp4').write_text('no video\n' * 99)
    write_frames(folder / 'mirrored.mp4')
    set_display_matrix(folder / 'mirrored.mp4', MIRRORS['mirrored'])
    os.link(folder / 'good.mp4', folder / 'no_suffix')
    os.link(folder / 'good.mp4', folder / '\u8dd1.mp4')
    bad = ['sound.mp4', 'folder.mp4', 'fifo.mp4', 'text.mp4', 'mirrored.mp4']
    # decord cannot read batches of frames so small: training takes PyAV.
    for size in (2, 16):
        path = folder / f'tiny_{size}.avi'
        write_frames(path, range(4), 'mpeg4', (size, size), base=25)
    good = ['no_suffix', '\u8dd1.mp4', 'tiny_2.avi', 'tiny_16.avi']
    (videos / 'list.txt').write_text(
        ''.join(f'{name} 0\n' for name in [*bad, *good]), 'utf-8'
    )
    arguments = videos / 'list.txt', videos / 'videos', '--workers', 2
    run_with_losses('data/check_videos.py', *arguments)
    assert lines(videos / 'list_clean.txt') == [f'{name} 0' for name in good]
    out = capsys.readouterr().out.splitlines()
    for name in bad:
        (line,) = (line for line in out if line.startswith(f'{name}: '))
        assert str(folder) not in line
    assert 'sound.mp4: unreadable: the file has no video stream' in out
    assert 'mirrored.mp4: its display matrix mirrors it' in '\n'.join(out)


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
    run_with_losses('data/resize_videos.py', *arguments)
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
    assert 'empty.mp4: unreadable: ' in out
    assert '3 of 5 videos in' in out

    before = (target / 'good.mp4').stat().st_mtime_ns
    run_with_losses('data/resize_videos.py', *arguments)
    assert (target / 'good.mp4').stat().st_mtime_ns == before


JITTER = np.random.default_rng(0).integers(-5, 6, 20)
TIMES = dict(
    even=range(0, 800, 40),
    pause=[33 * n + 500 * (n >= 10) for n in range(20)],
    jitter=[100 + 33 * n + int(JITTER[n]) for n in range(20)],
    burst=[0, 10, 20, 100, 200, 300],
    ntsc=[round(n * 1001 / 30) for n in range(20)],
)
FORMATS = [
    ('mp4', 'libx264'),
    ('m4v', 'mpeg4'),
    ('3gp', 'mpeg4'),
    ('mkv', 'libx264'),
    ('webm', 'libvpx'),
    ('ts', 'libx264'),
    ('wmv', 'wmv2'),
    ('MOV', 'libx264'),
    ('flv', 'flv'),
]


def test_resize_videos_keeps_every_frame_at_its_time(tmp_path, capsys):
    source, target = tmp_path / 'videos', tmp_path / 'small'
    source.mkdir()
    sets = list(TIMES.items())
    for number, (suffix, codec) in enumerate(FORMATS):
        name, times = sets[number % len(sets)]
        write_frames(source / f'{name}_{suffix}.{suffix}', times, codec)
    for name, times in sets:
        write_frames(source / f'{name}.mp4', times)
    run_tool('data/resize_videos.py', source, target, '--short-side', 32)
    count = len(FORMATS) + len(sets)
    assert f'{count} of {count} videos in' in capsys.readouterr().out
    for path in source.iterdir():
        before, frames = read_times(path)
        after, resized = read_times(target / f'{path.stem}.mp4')
        assert after == pytest.approx(before, abs=1e-4), path
        assert resized.shape[1:] == (32, 48, 3)
        error = frames[:, ::2, ::2].astype(int) - resized
        # The same frame is there, and not its neighbour.
        assert np.abs(error).mean(axis=(1, 2, 3)).max() < 5, path


@pytest.mark.parametrize('short_side', [32, 256])
@pytest.mark.parametrize('turn', {**TURNS, **MIRRORS})
def test_resize_videos_turns_the_pixels(tmp_path, turn, short_side):
    source, target = tmp_path / 'videos', tmp_path / 'small'
    source.mkdir()
    path = source / 'a.mp4'
    write_frames(path)
    _, frames = read_times(path)
    matrix = {**TURNS, **MIRRORS}[turn]
    set_display_matrix(path, matrix)
    run_tool(
        'data/resize_videos.py', source, target, '--short-side', short_side
    )
    times, written = read_times(target / 'a.mp4')
    assert times == pytest.approx([0.04 * n for n in range(10)])
    step = 2 if short_side == 32 else 1
    expected = np.stack([shown(f, matrix) for f in frames])[:, ::step, ::step]
    assert written.shape == expected.shape
    assert np.abs(written.astype(int) - expected).mean() < 6
    reader = open_video(str(target / 'a.mp4'))
    batch = reader.get_batch(range(10)).asnumpy()
    assert np.abs(batch.astype(int) - expected).mean() < 6
    same = path.read_bytes() == (target / 'a.mp4').read_bytes()
    assert same == (turn == 'upright' and short_side == 256)


def test_resize_videos_lists_what_it_cannot_write(tmp_path, capsys):
    source, target = tmp_path / 'videos', tmp_path / 'small'
    (source / 'folder.mp4').mkdir(parents=True)
    write_frames(source / 'folder.mp4' / 'good.mp4')
    os.mkfifo(source / 'fifo.mp4')
    write_sound(source / 'sound.mp4')
    write_frames(source / 'askew.mp4')
    set_display_matrix(source / 'askew.mp4', (0.5, 0.5, -0.5, 0.5))
    run_with_losses('data/resize_videos.py', source, target)
    out = capsys.readouterr().out
    for line in (
        'askew.mp4: unreadable: its display matrix turns it by -45 degrees',
        'fifo.mp4: unreadable: expected a video file, this is no regular file',
        'sound.mp4: unreadable: the file has no video stream',
        '1 of 4 videos in',
    ):
        assert line in out
    assert [p.name for p in target.rglob('*') if p.is_file()] == ['good.mp4']


def test_videos_are_known_by_their_suffixes():
    usual = '.mp4 .m4v .mov .avi .mkv .webm .wmv .flv .3gp .mpg .mpeg .ts'
    assert set(usual.split()) <= set(VIDEO_SUFFIXES)


def test_resize_videos_copies_small_ones(tmp_path):
    source, target = tmp_path / 'videos', tmp_path / 'same'
    source.mkdir()
    write_frames(source / 'good.avi', range(10), 'mpeg4', base=25)
    run_tool('data/resize_videos.py', source, target)
    good = (source / 'good.avi').read_bytes()
    assert (target / 'good.avi').read_bytes() == good


def test_resize_videos_of_one_name(tmp_path, capsys):
    source, target = tmp_path / 'videos', tmp_path / 'same'
    (source / 'sub').mkdir(parents=True)
    write_frames(source / 'good.mp4')
    write_frames(source / 'sub/good.mp4', range(0, 80, 40))
    arguments = 'data/resize_videos.py', source, target
    run_tool(*arguments)
    for name in ('good.mp4', 'sub/good.mp4'):
        written = (target / name).read_bytes()
        assert written == (source / name).read_bytes()

    shutil.copy(source / 'good.mp4', source / 'sub/good.avi')
    message = f'error: {source}/sub/good.avi and {source}/sub/good.mp4 would'
    shutil.rmtree(target)
    assert_refused(capsys, message, *arguments)
    assert not target.exists()


@pytest.fixture
def class_folders(tmp_path):
    """Four videos of each of two classes, one of which is too short."""
    root = tmp_path / 'root'
    for name in ('sit down', 'wave'):
        (root / name).mkdir(parents=True)
        for number in range(4):
            frames = 1 if (name, number) == ('wave', 0) else 3
            times = range(0, 40 * frames, 40)
            write_frames(root / name / f'{name[0]}{number}.mp4', times)
    return root


def test_class_folders(class_folders, tmp_path, capsys):
    out = tmp_path / 'lists'
    script = 'data/class_folders.py'
    run_tool(script, class_folders, out, '--val', 0.5, '--workers', 2)
    assert lines(out / 'classes.txt') == ['sit down', 'wave']
    train, val = (lines(out / f'{s}_list.txt') for s in ('train', 'val'))
    assert [line[-2:] for line in train + val].count(';0') == 4
    assert len(val) in (3, 4) and len(train) + len(val) == 7
    said = capsys.readouterr().out.splitlines()
    assert 'wave/w0.mp4: 1 frames, fewer than 2' in said
    assert '1 of 8 videos left aside' in said
    assert f"video={str(class_folders)!r}), delimiter=';'" in said[-1]

    # A table of the same videos, divided by another seed and by groups.
    rows = [f'root/{path[:-2]},{path[0]}\n' for path in train + val]
    (tmp_path / 'table.csv').write_text(''.join(rows))
    options = '--seed', 1, '--group', '[0-9]', '--workers', 2
    run_tool(script, tmp_path / 'table.csv', tmp_path / 'other', *options)
    assert lines(tmp_path / 'other' / 'classes.txt') == ['s', 'w']
    parts = [
        {line.split('.')[0][-1] for line in lines(tmp_path / 'other' / name)}
        for name in ('train_list.txt', 'val_list.txt')
    ]
    assert not parts[0] & parts[1]


def test_class_folders_writes_nothing_of_what_cannot_be_divided(
    class_folders, tmp_path, capsys
):
    out = tmp_path / 'lists'
    arguments = 'data/class_folders.py', class_folders, out
    assert_refused(capsys, 'got 2.0', *arguments, '--val', 2)
    (class_folders / 'yawn').mkdir()
    shutil.copy(class_folders / 'wave/w0.mp4', class_folders / 'yawn/only.mp4')
    assert_refused(capsys, "class 'yawn' has no video for train", *arguments)
    assert not out.exists()


def test_keyframes_are_chosen_and_compared(tmp_path, capsys):
    script, source = 'data/resize_videos.py', tmp_path / 'source'
    source.mkdir()
    write_frames(source / 'a.avi', range(20), 'mpeg4', base=25)
    arguments = ('--short-side', 32, '--workers', 1)
    target = tmp_path / 'target'
    run_tool(script, source, target, *arguments, '--keyframes', 5)
    with av.open(str(target / 'a.mp4')) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    keyframes = [n for n, p in enumerate(packets) if p.is_keyframe]
    assert keyframes[:3] == [0, 5, 10]

    capsys.readouterr()
    run_tool(script, source, '--compare-keyframes', *arguments)
    rows = capsys.readouterr().out.splitlines()
    ratios = [float(row.split('|')[3]) for row in rows[2:8]]
    assert rows[2].startswith('| 8 frames') and ratios[-1] == 1
    assert ratios == sorted(ratios, reverse=True) and ratios[0] > 1
    assert rows[-1].startswith('recommended: --keyframes ')
    assert {path.name for path in tmp_path.iterdir()} == {'source', 'target'}

    message = 'expected a TARGET or --compare-keyframes'
    assert_refused(capsys, message, script, source)
    arguments = ('--compare-keyframes', '--short-side', 64)
    assert_refused(capsys, 'copied as they are', script, source, *arguments)
