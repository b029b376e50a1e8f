"""Videos of every kind are read alike, or named."""

import os
import shutil
import sys

import av
import numpy as np
import pytest
from mmengine.dataset import Compose
from video_files import (
    MIRRORS,
    TURNS,
    picture,
    set_display_matrix,
    shown,
    write_frames,
    write_sound,
)

from mmvideomamba.video import (
    PyAVReader,
    is_mirrored,
    naming_errors,
    open_video,
    read_video,
    readers,
)
from mmvideomamba.video.kinds import is_for_decord

PAUSE = [33 * n + 500 * (n >= 8) for n in range(16)]
JITTER = [0, 36, 63, 101, 130, 168, 195, 233, 262, 299]
BURST = [0, 10, 20, 100, 200, 300]


def numbers(frames):
    """Which `picture` the frames are, by their lower right corners' middle."""
    height, width = frames.shape[1:3]
    middle = frames[:, height // 2 + 4, width // 2 + 4, 0].astype(float)
    return np.round((middle - 20) / 12).astype(int).tolist()


def read_all(path):
    reader = open_video(path)
    return reader.get_batch(range(len(reader))).asnumpy()


@pytest.mark.parametrize(
    'suffix, codec, base',
    [
        ('mp4', 'libx264', 1000),
        ('mov', 'mpeg4', 1000),
        ('3gp', 'mpeg4', 1000),
        ('webm', 'libvpx', 1000),
        ('mkv', 'libx264', 1000),
        ('avi', 'mpeg4', 25),
        # decord cannot read these, or reads other frames.
        ('ts', 'libx264', 1000),
        ('mpg', 'mpeg2video', 25),
        ('wmv', 'wmv2', 1000),
        ('flv', 'flv', 1000),
    ],
)
def test_every_format_gives_its_frames_in_order(tmp_path, suffix, codec, base):
    count = 16
    times = PAUSE if base == 1000 else range(count)
    path = write_frames(tmp_path / f'a.{suffix}', times, codec, base=base)
    reader = open_video(path)
    assert len(reader) == count
    assert numbers(read_all(path)) == list(range(count))
    wanted = [9, 3, 15, 3]
    assert numbers(reader.get_batch(wanted).asnumpy()) == wanted
    seconds = reader.get_frame_timestamp(range(count))[:, 0]
    expected = np.subtract(times, times[0]) / base
    # MPEG program streams give the time of a frame in a few.
    within = 0.05 if suffix == 'mpg' else 2e-3
    assert np.abs(seconds - seconds[0] - expected).max() < within
    frames, fps = read_video(path)
    assert numbers(np.stack(list(frames))) == list(range(count))
    assert 10 < fps < 40


def test_names_need_no_suffix(tmp_path):
    path = write_frames(tmp_path / 'a.mp4')
    os.rename(path, tmp_path / 'a')
    os.symlink(tmp_path / 'a', tmp_path / 'link')
    assert numbers(read_all(str(tmp_path / 'link'))) == list(range(10))


@pytest.mark.parametrize('size', [(2, 2), (16, 16), (48, 32), (62, 50)])
def test_frames_may_be_small(tmp_path, size):
    path = write_frames(tmp_path / 'a.avi', range(4), 'mpeg4', size, base=25)
    with av.open(path) as container:
        frames = [f.to_ndarray(format='rgb24') for f in container.decode()]
    assert np.array_equal(read_all(path), frames)
    assert np.array_equal(list(read_video(path)[0]), frames)


@pytest.mark.parametrize('decord_is_there', [True, False])
def test_the_reader_without_decord_gives_the_same(
    tmp_path, monkeypatch, decord_is_there
):
    path = write_frames(tmp_path / 'a.mp4', PAUSE, 'mpeg4')
    set_display_matrix(path, TURNS['left'])
    expected = read_all(path)
    if not decord_is_there:
        monkeypatch.setitem(sys.modules, 'decord', None)
        readers.decord_reader.cache_clear()
    assert isinstance(open_video(path), PyAVReader) != decord_is_there
    assert np.array_equal(read_all(path), expected)


def test_reader_of_pyav_has_decords_methods(tmp_path):
    decord = pytest.importorskip('decord')
    path = write_frames(tmp_path / 'a.mp4', JITTER)
    readers = [PyAVReader(path), decord.VideoReader(path)]
    for ours, theirs in zip(*[[r[-2], r[0], *r] for r in readers]):
        assert np.array_equal(ours.asnumpy(), theirs.asnumpy())
    rates, spans = zip(
        *((r.get_avg_fps(), r.get_frame_timestamp([3, 8])) for r in readers)
    )
    assert rates[0] == pytest.approx(rates[1])
    assert np.abs(spans[0][:, 0] - spans[1][:, 0]).max() < 1e-6
    for reader in readers:
        reader.seek(0)
        assert numbers(reader.next().asnumpy()[None]) == [0]
        with pytest.raises(IndexError):
            reader[len(reader)]


def write_cut(path, fast_start):
    options = dict(movflags='faststart') if fast_start else {}
    rng = np.random.default_rng(0)
    with av.open(str(path), 'w', options=options) as container:
        stream = container.add_stream('libx264', rate=25)
        stream.width = stream.height = 64
        for _ in range(30):
            noise = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, 'rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def write_playlist(path):
    target = path.with_name('other.mp4')
    write_frames(target)
    path.write_text(f'#EXTM3U\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n')


def write_concat(path):
    write_frames(path.with_name('other.mp4'))
    path.write_text('ffconcat version 1.0\nfile other.mp4\n')


def write_image(path):
    import cv2

    cv2.imwrite(str(path.with_suffix('.png')), picture(0))
    shutil.move(path.with_suffix('.png'), path)


UNREADABLE = {
    'nothing': (lambda path: None, 'no such file'),
    'folder': (lambda path: path.mkdir(), 'this is a folder'),
    'fifo': (lambda path: os.mkfifo(path), 'no regular file'),
    'dangling link': (lambda path: path.symlink_to('gone'), 'no regular'),
    'empty file': (lambda path: path.touch(), 'the file is empty'),
    'sound alone': (write_sound, 'no video stream'),
    'cut': (lambda path: write_cut(path, False), 'Invalid data'),
    'cut behind its index': (
        lambda path: write_cut(path, True),
        r'the file is cut: \d+ of its 30 frames',
    ),
    'text': (lambda path: path.write_text('a.mp4 0\n' * 99), 'Invalid data'),
    'noise': (lambda path: path.write_bytes(b'\x81' * 5000), 'Invalid data'),
    'head of an mp4': (
        lambda path: path.write_bytes(b'\0\0\0\x18ftypisom' + bytes(999)),
        'Invalid data|no video stream',
    ),
    'image': (write_image, 'of another format'),
    'HLS playlist': (write_playlist, 'of another format|Invalid data'),
    'concat playlist': (write_concat, 'of another format'),
}


@pytest.mark.parametrize('kind', UNREADABLE)
def test_what_is_no_video_is_named_with_the_reason(tmp_path, kind):
    write, reason = UNREADABLE[kind]
    path = tmp_path / 'a.mp4'
    write(path)
    with pytest.raises(ValueError, match=f'^{path}: .*({reason})') as error:
        open_video(str(path))
    assert str(error.value).count(str(path)) == 1
    assert '\n' not in str(error.value)
    with pytest.raises(ValueError, match=f'^{path}: '):
        read_video(str(path))


def test_other_errors_keep_their_type():
    with pytest.raises(KeyError), naming_errors('a.mp4'):
        raise KeyError('a fault of the program')


def run_pipeline(kind, path, clip_len=7):
    pipeline = Compose(
        [
            dict(type=f'{kind}Init'),
            dict(
                type='UniformSample',
                clip_len=clip_len,
                num_clips=2,
                test_mode=True,
            ),
            dict(type=f'{kind}Decode'),
        ]
    )
    results = dict(filename=path, label=0, start_index=0, modality='RGB')
    results = pipeline(results)
    images = np.stack(results['imgs'])
    assert images.dtype == np.uint8
    assert results['img_shape'] == images.shape[1:3]
    return results['total_frames'], results['frame_inds'].tolist(), images


@pytest.mark.parametrize('kind', ['Decord', 'PyAV', 'OpenCV'])
@pytest.mark.parametrize(
    'suffix, codec', [('mp4', 'libx264'), ('webm', 'libvpx')]
)
@pytest.mark.parametrize('times', [PAUSE, JITTER, BURST])
def test_pipelines_find_frames_at_any_rate(
    tmp_path, kind, suffix, codec, times
):
    path = write_frames(tmp_path / f'a.{suffix}', times, codec)
    count, wanted, images = run_pipeline(kind, path)
    assert count == len(times)
    assert numbers(images) == wanted


@pytest.mark.parametrize('turn', TURNS)
def test_pipelines_turn_frames(tmp_path, turn):
    path = write_frames(tmp_path / 'a.mp4', PAUSE)
    expected = run_pipeline('Decord', path)[2]
    expected = np.stack([shown(image, TURNS[turn]) for image in expected])
    set_display_matrix(path, TURNS[turn])
    for kind in ('Decord', 'PyAV', 'OpenCV'):
        images = run_pipeline(kind, path)[2]
        assert np.array_equal(images, expected), kind
    assert not is_mirrored(path)


def test_decord_turns_matroska_too(tmp_path):
    if not hasattr(av.VideoStream, 'set_display_rotation'):
        pytest.skip('this PyAV writes no rotation')
    path = str(tmp_path / 'a.mkv')
    with av.open(path, 'w') as container:
        stream = container.add_stream('mpeg4', rate=25)
        stream.width, stream.height = 96, 64
        stream.set_display_rotation(90)
        for number in range(8):
            frame = av.VideoFrame.from_ndarray(picture(number), 'rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for kind in ('Decord', 'PyAV', 'OpenCV'):
        images = run_pipeline(kind, path)[2]
        assert images.shape[1:] == (96, 64, 3)
        # The upper left corner went to the lower left.
        assert images[0, -4, 4, 0] > 200 > images[0, 4, 4, 0]


@pytest.mark.parametrize('mirror', MIRRORS)
def test_pipelines_agree_where_they_do_not_mirror(tmp_path, mirror):
    path = write_frames(tmp_path / 'a.mp4')
    set_display_matrix(path, MIRRORS[mirror])
    assert is_mirrored(path)
    expected = run_pipeline('Decord', path)[2]
    for kind in ('PyAV', 'OpenCV'):
        assert np.array_equal(run_pipeline(kind, path)[2], expected)


def test_pyav_reads_no_frame_in_place_of_another(tmp_path):
    path = write_frames(tmp_path / 'a.webm', codec='libvpx')
    pipeline = Compose([dict(type='PyAVInit'), dict(type='PyAVDecode')])
    results = pipeline.transforms[0](dict(filename=path))
    results['frame_inds'] = np.array([2, 12])
    message = 'frame 12 is wanted, but only 10 frames can be decoded'
    with pytest.raises(ValueError, match=message):
        pipeline.transforms[1](results)


def test_keyframes_of_pyav_are_turned(tmp_path):
    path = write_frames(tmp_path / 'a.mp4')
    set_display_matrix(path, TURNS['left'])
    pipeline = Compose(
        [dict(type='PyAVInit'), dict(type='PyAVDecode', mode='efficient')]
    )
    results = pipeline.transforms[0](dict(filename=path))
    results['frame_inds'] = np.array([0, 1])
    images = pipeline.transforms[1](results)['imgs']
    assert [image.shape for image in images] == [(96, 64, 3)] * 2


READERS = ('Decord', 'PyAV', 'OpenCV')


@pytest.mark.parametrize('kind', READERS)
@pytest.mark.parametrize('write', [write_playlist, write_concat])
def test_no_pipeline_opens_what_a_playlist_names(tmp_path, kind, write):
    path = tmp_path / 'a.mp4'
    write(path)
    with pytest.raises(ValueError, match=f'^{path}: .*(format|Invalid data)'):
        run_pipeline(kind, str(path))


@pytest.mark.parametrize('kind', READERS)
def test_no_pipeline_waits_for_a_pipe(tmp_path, kind):
    os.mkfifo(tmp_path / 'a.mp4')
    with pytest.raises(ValueError, match='a.mp4: .* no regular file'):
        run_pipeline(kind, str(tmp_path / 'a.mp4'))


@pytest.mark.parametrize('kind', READERS)
def test_names_may_leave_out_mp4(tmp_path, kind):
    write_frames(tmp_path / 'a.mp4')
    path = str(tmp_path / 'a')
    count, wanted, images = run_pipeline(kind, path)
    assert count == 10 and numbers(images) == wanted
    # The file of the name itself goes first.
    write_frames(tmp_path / 'b.mp4', range(0, 160, 40))
    os.rename(tmp_path / 'b.mp4', tmp_path / 'a')
    assert run_pipeline(kind, path, clip_len=2)[0] == 4
    os.remove(tmp_path / 'a')
    os.mkdir(tmp_path / 'a')
    with pytest.raises(ValueError, match='this is a folder'):
        run_pipeline(kind, path)


@pytest.mark.parametrize('suffix', ['mp4', 'avi', 'mkv'])
def test_decord_reads_what_it_reads_well(tmp_path, suffix):
    pytest.importorskip('decord')
    path = write_frames(tmp_path / f'a.{suffix}', range(9), 'mpeg4', base=25)
    assert not isinstance(open_video(path), PyAVReader)


SESSION = b'v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n'


@pytest.mark.parametrize(
    'head',
    [
        b'#EXTM3U\n#EXTINF:1,\nother.mp4\n',
        # FFmpeg takes these for something else than their first bytes say.
        b'\1\1\1\x20ftypjp2 \n' + SESSION,
        b'\0\0\0\x02ftyp\n' + SESSION,
        b'\0\0\0\x01mdat\0\0\0\0\0\0\0\x02\n' + SESSION,
        b'\1\1\1\1skip\n' + SESSION,
        b'\x1aE\xdf\xa3\n' + SESSION,
        b'\x1aE\xdf\xa3\x00',
        b'\x1aE\xdf\xa3',
        b'\x1aE\xdf\xa3\x84webm'[:8],
    ],
)
def test_decord_is_not_given_what_may_be_a_playlist(head):
    assert not is_for_decord(head)


def test_names_in_messages_are_escaped(tmp_path):
    with pytest.raises(ValueError, match=r'/\\x1b\[2Ja.mp4: there is no'):
        open_video(str(tmp_path / '\x1b[2Ja.mp4'))
