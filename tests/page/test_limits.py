"""Which uploads are taken, and when they are deleted."""

import numpy as np
import pytest
from video_files import write_frames, write_sound

from mmvideomamba.page.limits import Uploads, check_length


@pytest.mark.parametrize(
    'suffix, codec', [('mp4', 'libx264'), ('webm', 'vp8')]
)
def test_videos_of_five_minutes_are_taken(tmp_path, suffix, codec):
    def write(seconds):
        times = [0, 1000 * seconds // 2, 1000 * seconds]
        path = tmp_path / f'{seconds}.{suffix}'
        return write_frames(path, times, codec)

    check_length(write(300))
    with pytest.raises(ValueError, match=r'at most 5 minutes, it is 6:05 lo'):
        check_length(write(365))


def test_what_is_no_video_is_refused(tmp_path):
    garbage = tmp_path / 'garbage.mp4'
    garbage.write_bytes(np.random.default_rng(0).bytes(9999))
    with pytest.raises(ValueError, match='garbage.mp4: Invalid data'):
        check_length(str(garbage))
    with pytest.raises(ValueError, match='the file has no video stream'):
        check_length(write_sound(tmp_path / 'sound.mp4'))


def test_a_file_is_deleted_when_nobody_is_shown_it(tmp_path):
    first, second = (tmp_path / name for name in 'ab')
    first.touch()
    second.touch()
    uploads = Uploads()
    uploads.show('me', str(first))
    uploads.show('you', str(first))
    uploads.show('me', str(second))
    assert first.exists()
    uploads.show('me', str(second))
    uploads.show('you', None)
    assert second.exists() and not first.exists()
    uploads.show('me', None)
    uploads.show('me', None)
    assert not second.exists()
