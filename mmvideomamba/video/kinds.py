"""What a file holds, by how it begins."""

# The boxes that an MP4 file may begin with.
_MP4_BOXES = (b'ftyp', b'moov', b'mdat', b'wide', b'free')


def is_for_decord(head: bytes) -> bool:
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


def may_have_index(head: bytes) -> bool:
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
