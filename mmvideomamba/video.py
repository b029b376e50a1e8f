"""Reading videos, and writing files that every player opens.

`open_video` is the one way in: data sets, `check_videos.py` and predictions
read through it. PyAV decodes the videos that have a sound index (see
`frame_index`), decord what else it decodes well, PyAV the rest, and all give
the same frames.
"""

import os
from collections import defaultdict
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import (
    Any,
    BinaryIO,
    Callable,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import av
import numpy as np

from .files import atomic_write
from .frame_index import FrameIndex, decode_frames, index_frames
from .text import printable
from .video_files import video_file

# FFmpeg's names of the formats that PyAV may read. Left out are images, text
# and playlists, which make FFmpeg open other files.
_FORMATS = (
    'asf,avi,dv,flv,gif,h264,hevc,ivf,m4v,matroska,mov,mpeg,mpegts,mpegvideo,'
    'mxf,nut,obu,ogg,rm,webm,yuv4mpegpipe'
)
# The boxes that an MP4 file may begin with.
_MP4_BOXES = (b'ftyp', b'moov', b'mdat', b'wide', b'free')
# Else a pool of threads for every frame that is converted; before PyAV 17
# there were none.
_HAS_POOLS = int(av.__version__.split('.')[0]) > 16
_ONE_THREAD: Any = dict(threads=1) if _HAS_POOLS else {}

Change = Callable[[np.ndarray], np.ndarray]


@contextmanager
def naming_errors(path: str) -> Iterator[None]:
    """Raise what a reader of videos raises as an error that names the file.

    Raises:
        ValueError: The video cannot be read: its path and the reason.
    """
    try:
        yield
    except Exception as error:
        # By name, as decord need not be installed.
        known = type(error).__name__ == 'DECORDError'
        if not known and not isinstance(
            error, (OSError, RuntimeError, ValueError, IndexError)
        ):
            raise
        reason = describe_error(path, error)
        raise ValueError(f'{printable(path)}: {reason}') from error


def describe_error(path: str, error: Exception) -> str:
    """Why a video cannot be read, in a line that does not name it."""
    # FFmpeg's errors say more than their reason; decord's stack follows the
    # first line.
    reason = getattr(error, 'strerror', None) or str(error) or repr(error)
    for name in (path, printable(path)):
        reason = reason.replace(f'{name}: ', '', 1)
    return printable(reason.split('\n')[0])


def open_video(path: str, num_threads: int = 1) -> Any:
    """Open a video file of any kind.

    Frames come in the order in which they are shown, turned as the file says
    (see `upright`).

    PyAV reads H.264 in MP4 and Matroska, where it decodes only what a batch
    needs. decord reads other MP4, AVI and Matroska, as it seeks. PyAV reads
    what decord cannot, or reads wrongly: other formats (decord 0.6 seeks to
    wrong frames in MPEG streams), Matroska files with a rotation (it does not
    turn them), other codecs, such as AV1, and everything where there is no
    decord.

    Args:
        path (str): A regular file, or a link to one, see `video_file`.
        num_threads (int): Threads that decode.

    Returns:
        A reader with the methods of `decord.VideoReader` that `PyAVReader`
        has.

    Raises:
        ValueError: The video cannot be read: its path and the reason.
    """
    with naming_errors(path):
        return _open(video_file(path), num_threads)


def open_video_bytes(path: str, file: BinaryIO, num_threads: int = 1) -> Any:
    """`open_video` of a file that has been fetched to memory.

    Args:
        path (str): Where it comes from, for messages.
        file (BinaryIO): It.
        num_threads (int): Threads that decode.
    """
    with naming_errors(path):
        return _open(file, num_threads)


def _open(source: Union[str, BinaryIO], num_threads: int) -> Any:
    if isinstance(source, str):
        with open(source, 'rb') as file:
            head = file.read(1 << 14)
    else:
        head = source.read(1 << 14)
        source.seek(0)
    is_for_decord = _is_for_decord(head)
    if is_for_decord and _may_have_index(head):
        # The readers below read what has none, or know why not.
        with suppress(Exception):
            return IndexedReader(source, num_threads)
    return _open_without_index(source, num_threads, is_for_decord)


def _open_without_index(
    source: Union[str, BinaryIO], num_threads: int, is_for_decord: bool = True
) -> Any:
    if is_for_decord:
        # PyAV may read what decord does not, or knows why not. There is no
        # wheel of decord for each system.
        with suppress(Exception):
            return _decord_reader()(source, num_threads=num_threads)
    return PyAVReader(source, num_threads)


@cache
def _decord_reader() -> Any:
    """decord's class of readers, with PyAV for batches that it fails on.

    It makes none of frames whose rows it pads: some that are narrower than
    64 pixels.
    """
    import decord

    class DecordReader(decord.VideoReader):
        def __init__(
            self, source: Union[str, BinaryIO], num_threads: int
        ) -> None:
            super().__init__(source, num_threads=num_threads)
            self._source = source

        def get_batch(self, indices: Iterable[int]) -> Any:
            try:
                return super().get_batch(indices)
            except decord.DECORDError:
                return PyAVReader(self._source).get_batch(indices)

    return DecordReader


def _is_for_decord(head: bytes) -> bool:
    """Whether decord reads a file right that begins like this.

    decord reads playlists and session descriptions too, and opens what they
    name. So the beginning has to be one by which FFmpeg knows a file for a
    video, whatever follows.
    """
    if head.startswith(b'\x1aE\xdf\xa3'):  # Matroska, WebM
        # ProjectionPoseRoll, a float of 4 or 8 bytes: the rotation.
        turned = b'\x76\x75\x84' in head or b'\x76\x75\x88' in head
        return _is_matroska(head) and not turned
    if head.startswith(b'RIFF'):
        return head[8:12] == b'AVI '
    # Size, type and, of ftyp, brand; JPEG 2000 has ftyp too.
    size, kind = int.from_bytes(head[:4], 'big'), head[4:8]
    if kind == b'ftyp':
        return size >= 16 and head[8:9] != b'j'
    if kind == b'mdat' and size == 1:  # 64 bits follow
        size = int.from_bytes(head[8:16], 'big')
    return kind in _MP4_BOXES and size >= 8


def _may_have_index(head: bytes) -> bool:
    """Whether a file that begins like this, one for decord, may hold H.264."""
    return head[4:8] in _MP4_BOXES or b'V_MPEG4/ISO/AVC' in head


def _is_matroska(head: bytes) -> bool:
    """Whether the EBML header is whole and says that it is Matroska's."""
    # The first 1 bit of its length says how many bytes that has.
    length_size = 9 - int.from_bytes(head[4:5], 'big').bit_length()
    start = 4 + length_size
    length = int.from_bytes(head[4:start], 'big')
    length &= (1 << 7 * length_size) - 1
    header = head[start : start + length]
    is_whole = length_size <= 8 and len(header) == length < 2000
    return is_whole and (b'matroska' in header or b'webm' in header)


class _Frames(np.ndarray):
    """An array with the method by which decord's frames become one."""

    def asnumpy(self) -> np.ndarray:
        return np.asarray(self)


class PyAVReader:
    """Reads a video with PyAV, through the methods of `decord.VideoReader`.

    It does not seek: a batch is decoded from the first frame on, and holds
    none but its own frames in memory.

    Args:
        source (str | BinaryIO): The video.
        num_threads (int): Threads that decode; 0 for as many as FFmpeg likes.

    Raises:
        ValueError: It has no video stream, or no frames.
    """

    def __init__(
        self, source: Union[str, BinaryIO], num_threads: int = 1
    ) -> None:
        self._source = source
        self._num_threads = num_threads
        with self._opened() as container:
            self._set_times(container, frame_times(container))

    def _set_times(self, container: Any, times: List[float]) -> None:
        self._times = times
        self._fps = float(container.streams.video[0].average_rate or 25)
        self._next = 0

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with open_container(self._source) as container:
            context = container.streams.video[0].codec_context
            context.thread_count = self._num_threads
            yield container

    def __len__(self) -> int:
        return len(self._times)

    def __iter__(self) -> Iterator[_Frames]:
        with self._opened() as container:
            for frame in container.decode(video=0):
                yield upright(frame).view(_Frames)

    def __getitem__(self, index: int) -> _Frames:
        return self.get_batch([index])[0]

    def get_batch(
        self, indices: Iterable[int], change: Optional[Change] = None
    ) -> _Frames:
        """(N, H, W, 3) uint8 RGB, the frames of these numbers.

        Args:
            indices (Iterable[int]): Their numbers.
            change (Callable, optional): See `read_frames`.

        Raises:
            IndexError: There is no such frame.
            ValueError: The video ends before it.
        """
        wanted = [_frame_number(index, len(self)) for index in indices]
        return self._read(wanted, change).view(_Frames)

    def _read(self, wanted: List[int], change: Optional[Change]) -> np.ndarray:
        with self._opened() as container:
            images = pick_frames(container, wanted)
        return np.stack(list(map(change, images)) if change else images)

    def get_avg_fps(self) -> float:
        """Frames per second, on average."""
        return self._fps

    def get_frame_timestamp(self, indices: Iterable[int]) -> np.ndarray:
        """(N, 2) float, when frames are shown and when the next are.

        In seconds, as the file counts them; the last is shown for the average
        time.
        """
        ends = [*self._times[1:], self._times[-1] + 1 / self._fps]
        spans = np.stack([self._times, ends], 1)
        return spans[[_frame_number(index, len(self)) for index in indices]]

    def seek(self, index: int) -> None:
        """Let `next` return this frame; an exact one, unlike decord's."""
        self._next = index

    def next(self) -> _Frames:
        """The frame after the one that was returned last."""
        self._next += 1
        return self[self._next - 1]


class MissingFrames(Exception):
    """They do not come from the keyframe before them alone."""


class IndexedReader(PyAVReader):
    """Reads a video that has an index, see `frame_index`, with PyAV.

    A batch is decoded from the keyframes before its frames on; only its own
    frames are converted, one by one.

    Args:
        source (str | BinaryIO): The video.
        num_threads (int): Threads that decode; 0 for as many as FFmpeg likes.

    Raises:
        ValueError: It has no index.
    """

    def __init__(
        self, source: Union[str, BinaryIO], num_threads: int = 1
    ) -> None:
        self._source = source
        self._num_threads = num_threads
        # Open until the reader is freed, as opening takes its time.
        self._container = open_container(source)
        stream = self._container.streams.video[0]
        stream.codec_context.thread_count = num_threads
        index = index_frames(self._container)
        if index is None:
            self._container.close()
            raise ValueError('the video has no index')
        self._index: FrameIndex = index
        # Faster than products of a fraction, to the bit.
        unit, per = stream.time_base.as_integer_ratio()
        times = [stamp * unit / per for stamp in index.stamps]
        self._set_times(self._container, times)

    def _read(self, wanted: List[int], change: Optional[Change]) -> np.ndarray:
        # Damaged, or of several sizes: decord may read on.
        with suppress(av.FFmpegError):
            try:
                return self._decode(wanted, change)
            except ValueError:
                pass
            except MissingFrames:
                reader = PyAVReader(self._source, self._num_threads)
                return read_frames(reader, wanted, change)
        reader = _open_without_index(self._source, self._num_threads)
        return read_frames(reader, wanted, change)

    def _decode(
        self, wanted: List[int], change: Optional[Change]
    ) -> np.ndarray:
        places = defaultdict(list)
        for place, number in enumerate(wanted):
            places[number].append(place)
        frames = None
        decoded = decode_frames(self._container, self._index, wanted)
        for number, frame in decoded:
            image = upright(frame)
            if change is not None:
                image = change(image)
            if frames is None:
                frames = np.empty((len(wanted), *image.shape), image.dtype)
            for place in places.pop(number, []):
                frames[place] = image
        if frames is None or places:
            raise MissingFrames
        return frames

    def seek(self, index: int) -> None:
        """Let `next` return the keyframe before this frame, as decord's."""
        key = self._index.keys[_frame_number(index, len(self))]
        self._next = self._index.stamps.index(key)


def read_frames(
    reader: Any, indices: Sequence[int], change: Optional[Change] = None
) -> np.ndarray:
    """Frames of a video, each changed as soon as it is decoded, if it can be.

    Args:
        reader (Any): Of `open_video`, or a `decord.VideoReader`.
        indices (Sequence[int]): The numbers of the frames.
        change (Callable, optional): Makes of a frame, (H, W, 3) uint8 RGB,
            what is kept; of one shape for all frames.

    Returns:
        np.ndarray: (N, ...), one contiguous array.
    """
    if isinstance(reader, PyAVReader):
        return reader.get_batch(indices, change).asnumpy()
    frames = reader.get_batch(indices).asnumpy()
    return np.stack(list(map(change, frames))) if change else frames


def open_container(source: Union[str, BinaryIO]) -> Any:
    """A PyAV container of a video, at its start.

    Args:
        source (str | BinaryIO): A path, see `open_video`, or a file.

    Raises:
        ValueError: There is no such file, it has no video stream or is no
            video, such as a playlist: nothing that it names is opened.
        OSError: It cannot be read.
    """
    if isinstance(source, str):
        source = video_file(source)
    else:
        source.seek(0)
    options = dict(format_whitelist=_FORMATS, protocol_whitelist='file')
    try:
        container = av.open(source, options=options)
    except av.ArgumentError as error:
        raise ValueError(
            'expected a video, this is of another format (an image, a '
            'playlist or text)'
        ) from error
    if not container.streams.video:
        container.close()
        raise ValueError('the file has no video stream')
    if container.streams.video[0].codec_context is None:
        container.close()
        raise ValueError('the file has a codec that FFmpeg does not know')
    return container


def _frame_number(index: int, count: int) -> int:
    index = int(index)
    if not -count <= index < count:
        raise IndexError(f'frame {index} of a video of {count} frames')
    return index % count


def frame_times(container: Any) -> List[float]:
    """When the frames of an open PyAV container are shown, in seconds.

    MP4 files have an index of their frames. Others are decoded: they need not
    say how many frames they have, or say it wrongly.

    Raises:
        ValueError: There are none, or an MP4 file is shorter than its index
            says.
    """
    stream = container.streams.video[0]
    if 'mp4' in container.format.name:
        packets = [packet for packet in container.demux(stream) if packet.size]
        if len(packets) < stream.frames:
            raise ValueError(
                f'the file is cut: {len(packets)} of its {stream.frames} '
                'frames are there'
            )
        stamps = [p.pts for p in packets if not p.is_discard]
    else:
        stamps = [frame.pts for frame in container.decode(stream)]
    if not stamps:
        raise ValueError('the video has no frames')
    if None in stamps:  # as in a bare H.264 stream
        rate = float(stream.average_rate or 25)
        return [number / rate for number in range(len(stamps))]
    return [float(stamp * stream.time_base) for stamp in sorted(stamps)]


def pick_frames(container: Any, wanted: List[int]) -> List[np.ndarray]:
    """The frames of these numbers of a PyAV container that is at its start.

    Returns:
        list[np.ndarray]: (H, W, 3) uint8 RGB each, as they are to be seen.

    Raises:
        ValueError: The video ends before one of them.
    """
    picked = {}
    last, missing = -1, set(wanted)
    for last, frame in enumerate(container.decode(video=0)):
        if last in missing:
            picked[last] = upright(frame)
            missing.remove(last)
            if not missing:
                break
    if missing:
        raise ValueError(
            f'frame {min(missing)} is wanted, but only {last + 1} frames can '
            'be decoded'
        )
    return [picked[number] for number in wanted]


def upright(frame: av.VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a frame, turned as its display matrix says.

    By quarters, and never mirrored, as decord and OpenCV turn frames. FFmpeg
    pads the rows of what is not turned; a copy without would take as long as
    the conversion.
    """
    image = frame.to_ndarray(format='rgb24', **_ONE_THREAD)
    quarters = round(frame.rotation / 90)
    if not quarters or abs(frame.rotation - 90 * quarters) > 1:
        return image
    return np.ascontiguousarray(np.rot90(image, quarters))


def display_matrix(frame: av.VideoFrame) -> Tuple[int, int, int, int]:
    """(a, b, c, d) of the display matrix, 65536 for 1; by default the unit's.

    The pixel at (x, y) is shown at (a x + c y, b x + d y).
    """
    side_data: Any = frame.side_data  # typed as a mapping, yields its values
    for data in side_data:
        if data.type.name == 'DISPLAYMATRIX':
            a, b, _, c, d = np.frombuffer(bytes(memoryview(data)), '<i4')[:5]
            return int(a), int(b), int(c), int(d)
    return 65536, 0, 0, 65536


def is_mirrored(path: str) -> bool:
    """Whether players mirror a video, as cameras at the front may ask them."""
    with open_container(path) as container:
        a, b, c, d = display_matrix(next(container.decode(video=0)))
    return a * d < b * c


class UnfitVideo(ValueError):
    """It can be read, but not trained on."""


def inspect_video(path: str, min_frames: int = 1) -> Tuple[int, int, int]:
    """Read the first, middle and last frame of a video, as training does.

    Args:
        path (str): A video file.
        min_frames (int): The fewest that it may have.

    Returns:
        tuple[int, int, int]: Frames, height and width.

    Raises:
        UnfitVideo: It is mirrored or too short.
        Exception: It cannot be read; decoders have errors of their own, see
            `describe_error`.
    """
    reader = open_video(path)
    count = len(reader)
    if count < min_frames:
        raise UnfitVideo(f'{count} frames, fewer than {min_frames}')
    frames = _read_three(reader)
    if isinstance(reader, IndexedReader):
        # Which reads damaged clips of it in training.
        _read_three(_open_without_index(video_file(path), 1))
    if is_mirrored(path):
        raise UnfitVideo(
            'its display matrix mirrors it, which readers of videos ignore; '
            're-encode it with resize_videos.py'
        )
    return (count, *frames.shape[1:3])


def _read_three(reader: Any) -> np.ndarray:
    """The first, middle and last frame, (3, H, W, 3) uint8 RGB."""
    count = len(reader)
    return reader.get_batch([0, count // 2, count - 1]).asnumpy()


def check_video(
    folder: Union[str, Path], min_frames: int, name: str
) -> Union[Tuple[int, int, int], str]:
    """`inspect_video` for a video below a folder, or what is wrong with it."""
    # As the data set joins them: a Path would lose a slash at the end.
    path = os.path.join(folder, name)
    try:
        return inspect_video(path, min_frames)
    except UnfitVideo as error:
        return str(error)
    except Exception as error:
        # Whatever a decoder raises, the others are looked at.
        return f'unreadable: {describe_error(path, error)}'


def read_video(path: str) -> Tuple[Iterator[np.ndarray], float]:
    """Read a video, frame by frame, however long it is.

    decord decodes far ahead of who asks for the frames, into memory without
    a bound; PyAV decodes what is asked for.

    Returns:
        tuple: Its frames, (H, W, 3) uint8 RGB and upright, and how many a
        second has.

    Raises:
        ValueError: The video cannot be read; also in the midst of it.
    """
    fps = open_video(path).get_avg_fps()

    def read_frames() -> Iterator[np.ndarray]:
        # decord would decode far ahead of what is asked for.
        with naming_errors(path), open_container(path) as container:
            yield from map(upright, container.decode(video=0))

    return read_frames(), fps


def write_video(
    path: Union[str, Path], frames: Iterable[np.ndarray], fps: float = 25
) -> None:
    """Write frames as H.264 in an .mp4 file.

    The file appears under its name only when it is complete.

    Args:
        path (str | Path): The file to write; its folder is made if need be.
        frames (Iterable[np.ndarray]): (H, W, 3) uint8 RGB, all of one size;
            an odd last row or column is left out, as H.264 needs even sizes.
        fps (float): Frames per second.

    Raises:
        ValueError: There are no frames.
    """
    stream = None
    with (
        atomic_write(path) as partial,
        # FFmpeg would close a file of its own without a look at errors.
        open(partial, 'wb') as file,
        av.open(file, 'w', format='mp4') as container,
    ):
        for frame in frames:
            height, width = (side // 2 * 2 for side in frame.shape[:2])
            if stream is None:
                rate = Fraction(round(fps * 1000), 1000)
                stream = container.add_stream('libx264', rate=rate)
                stream.width, stream.height = width, height
                stream.pix_fmt = 'yuv420p'
                stream.options = {'crf': '18', 'preset': 'veryfast'}
            image = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame[:height, :width]), 'rgb24'
            )
            container.mux(stream.encode(image))
        if stream is None:
            raise ValueError(f'no frames to write to {path}')
        container.mux(stream.encode())
