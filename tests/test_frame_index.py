"""Videos with an index: any frames, in any order, as if all were decoded."""

import av
import numpy as np
import pytest
from video_files import picture, write_frames, write_sound

from mmvideomamba.video import IndexedReader, PyAVReader, open_video

SIZE = (64, 48)


def write_moving(
    path, count=40, codec='libx264', pix_fmt='yuv420p', **options
):
    """Write noise that moves over a picture: frames need each other."""
    noise = np.random.default_rng(0).integers(
        0, 99, (SIZE[1], SIZE[0] + count, 3), dtype=np.uint8
    )
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = pix_fmt
        stream.options = {'threads': '1', **options}
        for number in range(count):
            image = (
                noise[:, number : number + SIZE[0]]
                + picture(number % 6, SIZE) // 2
            )
            frame = av.VideoFrame.from_ndarray(image, 'rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


def decode_all(path):
    with av.open(path) as container:
        frames = container.decode(video=0)
        return np.stack([f.to_ndarray(format='rgb24') for f in frames])


ENCODINGS = {
    'one group': dict(g='250'),
    'several groups': dict(g='8', keyint_min='8'),
    'keyframes alone': dict(g='1'),
    'no B-frames': dict(bf='0', g='15'),
    'many B-frames': dict(bf='7', g='20', **{'b-pyramid': 'normal'}),
    'open groups': {'g': '9', 'x264-params': 'open-gop=1:bframes=3'},
    # Frames begin to be right some frames after what is marked a keyframe.
    'intra refresh': {'g': '12', 'x264-params': 'intra-refresh=1'},
    'several slices': dict(slices='4', g='12'),
    'fields': {'g': '12', 'x264-params': 'interlaced=1'},
}


@pytest.mark.parametrize('suffix', ['mp4', 'mkv'])
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_any_frames_are_those_of_the_whole_video(tmp_path, suffix, encoding):
    path = write_moving(tmp_path / f'a.{suffix}', **ENCODINGS[encoding])
    reader = open_video(path)
    assert isinstance(reader, IndexedReader)
    expected = decode_all(path)
    assert len(reader) == len(expected) == 40
    rng = np.random.default_rng(0)
    batches = [[0], [39], range(20, 36, 2), [39, 0, 7, 7, 38]]
    batches += [rng.choice(40, 5) for _ in range(4)]
    for numbers in batches:
        frames = reader.get_batch(numbers).asnumpy()
        assert np.array_equal(frames, expected[list(numbers)])
        assert frames.flags.c_contiguous and frames.dtype == np.uint8


def test_rate_and_times_are_those_of_the_reader_of_all_frames(tmp_path):
    times = [0, 40, 80, 1080, 1120, 1160]
    path = write_frames(tmp_path / 'a.mp4', times)
    ours, other = open_video(path), PyAVReader(path)
    assert isinstance(ours, IndexedReader)
    assert ours.get_avg_fps() == other.get_avg_fps()
    spans = ours.get_frame_timestamp([0, 3, -1])
    assert np.array_equal(spans, other.get_frame_timestamp([0, 3, -1]))
    assert spans[1] == pytest.approx([1.08, 1.12])
    with pytest.raises(IndexError, match='frame 6 of a video of 6 frames'):
        ours.get_batch([6])


def test_seek_goes_to_the_keyframe_before(tmp_path):
    path = write_moving(tmp_path / 'a.mp4', g='8', keyint_min='8')
    reader, expected = open_video(path), decode_all(path)
    reader.seek(21)
    assert np.array_equal(reader.next(), expected[16])
    assert np.array_equal(reader.next(), expected[17])


def test_a_frame_is_changed_once_and_no_other_is(tmp_path):
    path = write_moving(tmp_path / 'a.mp4')
    changed = []
    frames = open_video(path).get_batch(
        [20, 3, 20], lambda image: changed.append(1) or image[:2, :3]
    )
    assert len(changed) == 2
    assert np.array_equal(frames, decode_all(path)[[20, 3, 20], :2, :3])


def packets_of(path):
    """(pts, place in the file, bytes, whether other frames refer to it)."""
    with open(path, 'rb') as file:
        data = file.read()
    with av.open(path) as container:
        for packet in container.demux(video=0):
            if packet.size:
                content = bytes(packet)
                # nal_ref_idc of its slices; 6 is additional information.
                kinds, place = [], 0
                while place < len(content):
                    size = int.from_bytes(content[place : place + 4], 'big')
                    kinds.append(content[place + 4])
                    place += 4 + size
                refers = any(k & 0x60 for k in kinds if k & 0x1F in (1, 5))
                yield packet.pts, data.index(content), len(content), refers


def damage(path, places):
    with open(path, 'r+b') as file:
        for place, size in places:
            # Its header stays.
            file.seek(place + 8)
            file.write(b'\xa5' * (size - 8))


def test_frames_that_nothing_refers_to_are_not_decoded(tmp_path):
    path = write_moving(tmp_path / 'a.mp4', bf='3', b_strategy='0')
    expected = decode_all(path)
    packets = sorted(packets_of(path))
    free = {n for n, packet in enumerate(packets) if not packet[3]}
    assert 10 < len(free) < 30
    wanted = sorted(set(range(20, 36, 2)) | {35})
    damage(path, [packets[n][1:3] for n in free - set(wanted)])
    with pytest.raises(av.FFmpegError):
        decode_all(path)
    frames = open_video(path).get_batch(wanted)
    assert np.array_equal(frames, expected[wanted])


def test_other_groups_are_not_decoded(tmp_path):
    path = write_moving(tmp_path / 'a.mp4', g='10', keyint_min='10')
    expected = decode_all(path)
    packets = sorted(packets_of(path))
    outside = [*range(1, 10), *range(20, 40)]
    damage(path, [packets[n][1:3] for n in outside])
    frames = open_video(path).get_batch(range(10, 20))
    assert np.array_equal(frames, expected[10:20])


WITHOUT_INDEX = {
    'another codec': dict(name='a.mp4', codec='mpeg4'),
    'another format': dict(name='a.ts'),
    'another depth': dict(name='a.mp4', pix_fmt='yuv420p10le'),
    'other colours': dict(name='a.mp4', pix_fmt='yuv444p'),
}


@pytest.mark.parametrize('kind', WITHOUT_INDEX)
def test_other_videos_have_no_index(tmp_path, kind):
    options = dict(WITHOUT_INDEX[kind])
    path = write_moving(tmp_path / options.pop('name'), **options)
    with pytest.raises(ValueError, match='the video has no index'):
        IndexedReader(path)
    reader = open_video(path)
    assert not isinstance(reader, IndexedReader)
    assert len(reader.get_batch([3, 1]).asnumpy()) == 2


def test_sound_has_no_video_stream(tmp_path):
    with pytest.raises(ValueError, match='the file has no video stream'):
        IndexedReader(write_sound(tmp_path / 'a.mp4'))
