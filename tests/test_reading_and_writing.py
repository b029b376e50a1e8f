"""Videos are read and written frame by frame, however long they are."""

import struct
import time
import weakref

import av
import decord
import numpy as np
import pytest

from mmvideomamba.video import read_video, write_video
from mmvideomamba.visualization.predictions import annotate_frames

SIZE = 540, 960, 3


def memory():
    """What this process holds, in bytes."""
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * 4096


def test_a_reader_does_not_run_ahead(tmp_path):
    path = str(tmp_path / 'long.mp4')
    frame, total = np.zeros(SIZE, np.uint8), 150
    write_video(path, (frame for _ in range(total)), fps=50)
    start, grown, count = memory(), [], 0
    frames, fps = read_video(path)
    for _ in frames:
        # As slow as who draws and encodes.
        time.sleep(0.005)
        grown.append(memory() - start)
        count += 1
    assert (count, fps) == (total, 50)
    assert max(grown) < total * frame.nbytes / 3


def test_a_writer_keeps_no_frames(tmp_path):
    given, most = [], 0

    def frames():
        nonlocal most
        for _ in range(30):
            frame = np.zeros((64, 64, 3), np.uint8)
            given.append(weakref.ref(frame))
            most = max(most, sum(known() is not None for known in given))
            yield frame

    drawn = annotate_frames(frames(), [('run', 0.5)])
    write_video(str(tmp_path / 'out.mp4'), drawn)
    assert len(given) == 30 and most <= 3


@pytest.mark.parametrize('turn', [0, 90, 180, 270])
def test_frames_are_upright(turn, tmp_path):
    frame = np.zeros((64, 96, 3), np.uint8)
    frame[:32, :48] = 255
    path = str(tmp_path / 'clip.mp4')
    write_video(path, [frame] * 3)
    set_rotation(path, turn)
    (read, *others), _ = read_video(path)
    expected = np.rot90(frame, -turn // 90)
    assert len(others) == 2 and read.shape == expected.shape
    assert np.abs(read - expected.astype(int)).mean() < 4
    reference = decord.VideoReader(path)[0].asnumpy()
    assert np.abs(reference - expected.astype(int)).mean() < 4


def set_rotation(path, turn):
    """Have an .mp4 file say that players turn it clockwise."""
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[turn]
    one, w = 1 << 16, 1 << 30
    upright = struct.pack('>9i', one, 0, 0, 0, one, 0, 0, 0, w)
    turned = struct.pack(
        '>9i', cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, w
    )
    with open(path, 'rb') as file:
        content = file.read()
    place = content.index(upright, content.index(b'tkhd'))
    with open(path, 'wb') as file:
        file.write(content[:place] + turned + content[place + len(turned) :])


def test_a_file_without_a_video_is_named(tmp_path):
    path = str(tmp_path / 'sound.mp4')
    with av.open(path, 'w') as container:
        stream = container.add_stream('aac', rate=44100)
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), 'fltp', 'mono'
        )
        silence.sample_rate = 44100
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    message = f'^{path}: the file has no video stream'
    with pytest.raises(ValueError, match=message):
        read_video(path)
