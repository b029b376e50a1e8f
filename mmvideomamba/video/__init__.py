"""Reading videos, and writing files that every player opens.

`open_video` is the one way in: data sets, `check_videos.py` and predictions
read through it. PyAV decodes the videos that have a sound index, decord what
else it decodes well, PyAV the rest, and all give the same frames.

opening       which reader a file is for
kinds         by how the file begins
readers       the readers: frames by their numbers
frame_index   where the frames are in the file, to decode few of them
containers    PyAV's files, and their frames as they are to be seen
errors        a line that names the file
checking      whether a video can be trained on
whole_videos  reading frame by frame, and writing
"""

from .checking import UnfitVideo, check_video, inspect_video
from .containers import (
    display_matrix,
    frame_times,
    is_mirrored,
    open_container,
    pick_frames,
    upright,
)
from .errors import describe_error, naming_errors
from .opening import open_video, open_video_bytes
from .readers import IndexedReader, PyAVReader, read_frames
from .whole_videos import read_video, write_video

__all__ = [
    'IndexedReader',
    'PyAVReader',
    'UnfitVideo',
    'check_video',
    'describe_error',
    'display_matrix',
    'frame_times',
    'inspect_video',
    'is_mirrored',
    'naming_errors',
    'open_container',
    'open_video',
    'open_video_bytes',
    'pick_frames',
    'read_frames',
    'read_video',
    'upright',
    'write_video',
]
