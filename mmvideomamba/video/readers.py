"""Readers of videos, with the methods of `decord.VideoReader`."""

from collections import defaultdict
from contextlib import contextmanager, suppress
from functools import cache
from typing import (
    Any,
    BinaryIO,
    Callable,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Union,
)

import av
import numpy as np

from .containers import frame_times, open_container, pick_frames, upright
from .frame_index import FrameIndex, decode_frames, index_frames

Change = Callable[[np.ndarray], np.ndarray]


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


def _frame_number(index: int, count: int) -> int:
    index = int(index)
    if not -count <= index < count:
        raise IndexError(f'frame {index} of a video of {count} frames')
    return index % count


@cache
def decord_reader() -> Any:
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


def open_without_index(
    source: Union[str, BinaryIO], num_threads: int, for_decord: bool = True
) -> Any:
    """A reader of decord, or of PyAV where decord is not to read or fails."""
    if for_decord:
        # PyAV may read what decord does not, or knows why not. There is no
        # wheel of decord for each system.
        with suppress(Exception):
            return decord_reader()(source, num_threads=num_threads)
    return PyAVReader(source, num_threads)


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
        reader = open_without_index(self._source, self._num_threads)
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
