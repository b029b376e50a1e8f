"""check_videos.py and training agree on odd videos: usable, or named."""

import os
from functools import partial
from pathlib import Path

import pytest
from video_files import MIRRORS, TURNS, set_display_matrix, write_sound
from video_files import write_frames as write

from mmvideomamba.parallel import run_parallel
from mmvideomamba.video import check_video, open_video

FRAMES = range(0, 240, 40)


def text(content):
    return lambda path: path.write_text(content)


def head(start):
    return lambda path: path.write_bytes(start + bytes(9999))


def part(begin, end):
    """Write a part of a good video, from and to shares of it."""

    def write_part(path):
        whole = Path(write(path.with_name('whole.mp4'), FRAMES)).read_bytes()
        size = len(whole)
        path.write_bytes(whole[int(begin * size) : int(end * size)])

    return write_part


def turned(matrix):
    def write_turned(path):
        write(path, FRAMES)
        set_display_matrix(path, matrix)

    return write_turned


def video(codec='libx264', size=(96, 64), **options):
    return lambda path: write(path, FRAMES, codec, size, **options)


SDP = 'v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n'
MPD = '<?xml version="1.0"?>\n<MPD profiles="urn:mpeg:dash:profile:full:2011">'
# Name -> how it is written, and whether it is usable.
ODD_VIDEOS = {
    'plain.mp4': (video(), True),
    'tiny_1.avi': (video('ffv1', (1, 1), base=25), True),
    'tiny_2.avi': (video('mpeg4', (2, 2), base=25), True),
    'tiny_16.avi': (video('mpeg4', (16, 16), base=25), True),
    'tiny_16.mp4': (video(size=(16, 16)), True),
    'wide.mp4': (video(size=(640, 2)), True),
    'left.mp4': (turned(TURNS['left']), True),
    'one_frame.mp4': (lambda path: write(path, [0]), True),
    'vp8.webm': (video('libvpx'), True),
    'flash.flv': (video('flv'), True),
    'transport.ts': (video(), True),
    'name_without_suffix': (video(), True),
    'no.frames.mp4': (head(b'\0\0\0\x18ftypisom'), False),
    'mirrored.mp4': (turned(MIRRORS['mirrored']), None),
    'sound.mp4': (write_sound, False),
    'empty.mp4': (lambda path: path.touch(), False),
    'zeros.mp4': (head(b''), False),
    'text.mp4': (text('a.mp4 0\n' * 99), False),
    'half.mp4': (part(0, 0.5), False),
    'second_half.mp4': (part(0.5, 1), False),
    'folder.mp4': (lambda path: path.mkdir(), False),
    'fifo.mp4': (os.mkfifo, False),
    'device.mp4': (lambda path: path.symlink_to('/dev/zero'), False),
    'dangling.mp4': (lambda path: path.symlink_to('gone'), False),
    'loop.mp4': (lambda path: path.symlink_to('loop.mp4'), False),
    'hls.mp4': (text('#EXTM3U\n#EXTINF:1,\nplain.mp4\n'), False),
    'concat.mp4': (text('ffconcat version 1.0\nfile plain.mp4\n'), False),
    'dash.mp4': (text(MPD), False),
    'session.mp4': (text(SDP), False),
    # By their first bytes of formats that decord reads.
    'jp2_session.mp4': (text('\x01\x01\x01\x20ftypjp2 \n' + SDP), False),
    'skip_session.mp4': (text('\0\0\0\x02ftyp\n' + SDP), False),
    'mkv_session.mkv': (
        lambda path: path.write_bytes(b'\x1aE\xdf\xa3\n' + SDP.encode()),
        False,
    ),
    'webm_hls.webm': (text('#EXTM3U\n#EXTINF:1,\nvp8.webm\n'), False),
    'page.mp4': (text('<!DOCTYPE html><html></html>'), False),
    'pickle.mp4': (head(b'\x80\x02}q\0.'), False),
}


def read_all(folder, name):
    """What a training says of a video of which it takes every frame."""
    try:
        reader = open_video(os.path.join(folder, name))
        frames = reader.get_batch(range(len(reader))).asnumpy()
    except Exception as error:
        # A training names whatever a decoder raises.
        return repr(error)
    return None if len(frames) else 'no frames'


def check(folder, name):
    """What check_videos.py says of a video."""
    found = check_video(folder, 1, name)
    return found if isinstance(found, str) else None


@pytest.fixture
def judge(tmp_path):
    """Names of videos -> what check_videos.py and what a training says."""

    def judge(names):
        return [
            run_parallel(function, list(names), 2, on_crash='a signal')
            for function in (
                partial(check, tmp_path),
                partial(read_all, tmp_path),
            )
        ]

    return judge


def test_odd_videos(judge, tmp_path):
    for name, (write_odd, _) in ODD_VIDEOS.items():
        path = tmp_path / name
        if path.suffix:
            write_odd(path)
        else:
            os.rename(write(path.with_suffix('.mp4'), FRAMES), path)
    checked, trained = judge(ODD_VIDEOS)
    for name, (_, usable) in ODD_VIDEOS.items():
        said = checked[name], trained[name]
        assert 'a signal' not in said, name
        if usable is None:  # what readers take for something else
            assert said[0] and not said[1], (name, said)
        else:
            assert [reason is None for reason in said] == [usable] * 2, (
                name,
                said,
            )


CODECS = dict(mp4='libx264', avi='mpeg4', mkv='libx264', webm='libvpx')


def test_damaged_videos(campaign, judge, tmp_path):
    whole = {
        suffix: Path(
            write(tmp_path / f'whole.{suffix}', range(6), codec, base=25)
        ).read_bytes()
        for suffix, codec in CODECS.items()
    }
    cases = {}
    for case in campaign.cases(400, as_test=8):
        suffix = list(whole)[case.seed % len(whole)]
        name = f'{case.seed}.{suffix}'
        (tmp_path / name).write_bytes(damage(whole[suffix], case.random))
        cases[name] = case
    checked, trained = judge(cases)
    for name, case in cases.items():
        with case:
            assert 'a signal' not in (checked[name], trained[name])
            if checked[name] is None:
                assert trained[name] is None
            case.outcome('named' if checked[name] else 'usable')


def damage(content, random):
    """Change some bytes, of the beginning or of all, or leave a part out."""
    content = bytearray(content)
    end = 600 if random.random() < 0.5 else len(content)
    for place in random.integers(end, size=random.integers(1, 20)):
        content[place] = random.integers(256)
    if random.random() < 0.3:
        place = random.integers(len(content))
        del content[place : place + random.integers(1, 64)]
    return bytes(content)
