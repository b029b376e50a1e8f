"""Read files and URLs without running what is in them.

A pickle is a program; `torch_files` reads it as data. So at worst a stranger's
checkpoint is refused. The kind of a file is recognised by its first bytes, not
by its name.
"""

import hashlib
import http.client
import io
import json
import os
import urllib.parse
import urllib.request
from typing import Any, BinaryIO, Callable, Optional, Tuple

import torch
from mmengine import fileio
from mmengine.dist import barrier
from mmengine.logging import print_log

from ..files import write_bytes
from ..model_folder import weights_in
from .saved_states import take_instead
from .settings import with_settings
from .torch_files import DamagedFile, MapLocation, UnsafeFile, read_torch

REMOTE = ('http://', 'https://')
Count = Callable[[int, int], None]


def read_checkpoint(location: str, map_location: MapLocation = 'cpu') -> Any:
    """Read a .pth or .safetensors file.

    Args:
        location (str): The path of a file or of a model folder; an http(s)
            URL, such as a Hugging Face `resolve` link, which is downloaded
            once to torch's hub folder; or an address of mmengine's other file
            backends (`s3://...`).
        map_location: As for `torch.load`.

    Returns:
        What was saved; for .safetensors a flat dict of tensors, with the
        settings that they record (see `settings`).

    Raises:
        FileNotFoundError: No such file.
        ConnectionError: The URL could not be read.
        ValueError: Not a checkpoint, damaged, or refused as unsafe.
    """
    with _open(location) as stream:
        kind = _kind_of(stream.read(256), location)
        stream.seek(0)
        if kind == 'safetensors':
            return _read_safetensors(stream, location, map_location)
        try:
            return read_torch(stream, map_location)
        except UnsafeFile as error:
            raise ValueError(
                f'{location} was refused: {error}. If you made the file '
                'yourself, save only its state_dict, or as .safetensors; if '
                'not, do not open it.'
            ) from error
        except DamagedFile as error:
            raise ValueError(
                f'{location} is damaged or incomplete ({error}). '
                f'{take_instead(location)}'
            ) from error


def _open(location: str) -> BinaryIO:
    if location.startswith(REMOTE):
        return open(download(location), 'rb')
    if '://' in location:
        return io.BytesIO(fileio.get(location))
    path = weights_in(os.path.expanduser(location))
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'there is no checkpoint at {location!r} (looked in '
            f'{os.path.abspath(os.path.dirname(path) or ".")})'
        )
    return open(path, 'rb')


def download(url: str, count: Optional[Count] = None) -> str:
    """Return the local copy of `url`, downloaded the first time.

    One process of each machine downloads. A copy is complete or not there.
    Its folder is named after the whole URL, since many files are called
    `model.safetensors`.

    Args:
        url (str): Of a checkpoint.
        count (Callable, optional): Is called with the bytes that have come
            and those that will, 0 where the server does not say.
    """
    name = os.path.basename(urllib.parse.urlparse(url).path) or 'checkpoint'
    folder = os.path.join(
        torch.hub.get_dir(),
        'mmvideomamba',
        hashlib.sha256(url.encode()).hexdigest()[:8],
    )
    path = os.path.join(folder, name)
    first = os.environ.get('LOCAL_RANK', '0') == '0'
    try:
        if first and not os.path.isfile(path):
            _download_to(path, url, count)
    finally:
        barrier()  # the other processes wait no longer, even if it failed
    if not os.path.isfile(path):
        _download_to(path, url, count)
    return path


def _download_to(path: str, url: str, count: Optional[Count]) -> None:
    print_log(f'downloading {url} to {path}', logger='current')
    # Some servers refuse urllib's own user agent.
    request = urllib.request.Request(
        url, headers={'User-Agent': 'mmvideomamba'}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = _read_answer(answer, count)
    # urllib's and http.client's errors, an incomplete answer among them.
    except Exception as error:
        raise ConnectionError(
            f'could not download {url} ({error}). Check the address and the '
            'network, or fetch the file on a machine that has one and give '
            'its path instead.'
        ) from error
    _kind_of(content[:256], url)
    write_bytes(path, content)


def _read_answer(
    answer: http.client.HTTPResponse, count: Optional[Count]
) -> bytes:
    size = int(answer.headers.get('Content-Length') or 0)
    parts = io.BytesIO()
    while part := answer.read(1 << 20):
        have = parts.tell() + parts.write(part)
        if count is not None:
            count(have, size)
    content = parts.getvalue()
    # In parts, http.client does not notice it.
    if len(content) < size:
        raise http.client.IncompleteRead(content, size - len(content))
    return content


def _kind_of(head: bytes, location: str) -> str:
    """'torch' or 'safetensors', or a ValueError that says what it is."""
    # safetensors begin with the length of their JSON header in 8 bytes.
    if head[8:9] == b'{' and int.from_bytes(head[:8], 'little') < 1e8:
        return 'safetensors'
    if head.startswith((b'PK\x03\x04', b'\x80')):
        return 'torch'
    text = head.lstrip(b'\xef\xbb\xbf \r\n\t')
    if not head:
        found, remedy = 'is empty', take_instead(location)
    elif text.startswith(b'version https://git-lfs'):
        found = 'is a Git LFS pointer, not the weights it stands for'
        remedy = 'Run `git lfs pull` in its repository.'
    elif text.startswith(b'<'):
        found = 'is a web page (HTML), not a checkpoint'
        remedy = (
            'Download the file itself; on Hugging Face that is the link with '
            '/resolve/ in place of /blob/.'
        )
    else:
        found = f'is not a checkpoint: it begins with {head[:8]!r}'
        remedy = 'Expected a .pth that torch saved, or a .safetensors file.'
    raise ValueError(f'{location} {found}. {remedy}')


def _read_safetensors(
    stream: BinaryIO, location: str, map_location: MapLocation
) -> dict:
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = stream.read()
    try:
        tensors = load(content)
        header, _ = split_safetensors(content)
        own = header.get('__metadata__') or {}
        settings = dict(json.loads(own.get('settings', '{}')))
    except (SafetensorError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f'{location} is damaged or incomplete ({error}). Compare its '
            'size with the source and download it again.'
        ) from error
    if isinstance(map_location, (str, torch.device)):
        tensors = {k: v.to(map_location) for k, v in tensors.items()}
    return with_settings(tensors, settings)


def split_safetensors(content: bytes) -> Tuple[dict, bytes]:
    """Return the JSON header of a .safetensors file, and the rest."""
    start = 8 + int.from_bytes(content[:8], 'little')
    return json.loads(content[8:start]), content[start:]
