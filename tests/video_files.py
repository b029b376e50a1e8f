"""Small video files of every kind, for tests."""

import struct
from fractions import Fraction

import av
import numpy as np

# (a, b, c, d) of display matrices: the pixel at (x, y) is shown at
# (a x + c y, b x + d y), and what np.rot90 makes of them.
TURNS = {
    'upright': (1, 0, 0, 1),
    'left': (0, -1, 1, 0),
    'over': (-1, 0, 0, -1),
    'right': (0, 1, -1, 0),
}
MIRRORS = {
    'mirrored': (-1, 0, 0, 1),
    'flipped': (1, 0, 0, -1),
    'transposed': (0, 1, 1, 0),
    'transversed': (0, -1, -1, 0),
}


def picture(number, size=(96, 64)):
    """(H, W, 3) uint8: brightness tells the number, a corner the turn."""
    width, height = size
    image = np.full((height, width, 3), 20 + 12 * number, np.uint8)
    image[: height // 2, : width // 4] = 250
    return image


def write_frames(
    path, times=range(0, 400, 40), codec='libx264', size=(96, 64), base=1000
):
    """Write `picture(n)` at each of the times, in units of 1 / base s."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = 'yuv420p'
        stream.codec_context.time_base = Fraction(1, base)
        stream.codec_context.gop_size = 12
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number, size), 'rgb24')
            frame.pts, frame.time_base = time, Fraction(1, base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


def write_sound(path):
    """Write a file with sound alone."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('aac', rate=16000)
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 4096), np.float32), 'fltp', 'mono'
        )
        silence.sample_rate = 16000
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    return str(path)


def set_display_matrix(path, matrix):
    """Change the display matrix of the one track of an .mp4 file."""
    with open(path, 'rb') as file:
        data = file.read()
    place = data.index(b'tkhd') + 4 + 40
    a, b, c, d = (round(65536 * value) for value in matrix)
    changed = struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30)
    with open(path, 'wb') as file:
        file.write(data[:place] + changed + data[place + 36 :])


def shown(image, matrix):
    """What a player shows of an (H, W, ...) image under a display matrix."""
    a, b, c, d = matrix
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    to_x, to_y = a * x + c * y, b * x + d * y
    to_x, to_y = to_x - to_x.min(), to_y - to_y.min()
    turned = np.empty(
        (to_y.max() + 1, to_x.max() + 1, *image.shape[2:]), image.dtype
    )
    turned[to_y, to_x] = image
    return turned


def read_times(path):
    """(seconds of the frames, (T, H, W, 3) frames as they are stored)."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        times = [float(frame.pts * frame.time_base) for frame in frames]
        assert all(frame.rotation == 0 for frame in frames)
        return times, np.stack([f.to_ndarray(format='rgb24') for f in frames])
