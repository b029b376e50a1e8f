"""`open_video`: the reader that a file is for."""

from contextlib import suppress
from typing import Any, BinaryIO, Union

from ..video_files import video_file
from .errors import naming_errors
from .kinds import is_for_decord, may_have_index
from .readers import IndexedReader, open_without_index


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
    for_decord = is_for_decord(head)
    if for_decord and may_have_index(head):
        # The readers below read what has none, or know why not.
        with suppress(Exception):
            return IndexedReader(source, num_threads)
    return open_without_index(source, num_threads, for_decord)
