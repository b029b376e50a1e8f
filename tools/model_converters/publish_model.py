"""Write the weights of a training checkpoint alone, for others to use.

Optimizer, scheduler and logs stay behind, and so does the config, with the
paths of your machine. The first 8 digits of the file's SHA-256 go into its
name.

Example:
    python tools/model_converters/publish_model.py \\
        work_dirs/CONFIG/epoch_30.pth checkpoints/videomamba-small.safetensors
"""

import hashlib
import os.path as osp

from mmvideomamba.checkpoints import (
    encode_weights,
    identify,
    read_checkpoint,
    with_settings,
    write_new,
)
from mmvideomamba.cli import make_parser, one_line_errors, weights_file


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('checkpoint', help='what the training saved')
    parser.add_argument(
        'out',
        type=weights_file,
        help='a .pth or .safetensors file; the hash is put into its name',
    )
    args = parser.parse_args()
    print(publish(args.checkpoint, args.out))


def publish(checkpoint: str, out: str) -> str:
    """Write the weights; return the path with the hash in it."""
    content = read_checkpoint(checkpoint)
    weights = identify(content, checkpoint)
    if weights.family != 'videomamba':
        raise ValueError(
            f'{weights.title} is not a checkpoint of mmvideomamba. Convert '
            'it first: tools/model_converters/convert.py'
        )
    state = weights.under_recognizer_keys()
    if weights.recorded:
        state = with_settings(state, dict(backbone=weights.recorded))
    known = ('dataset_meta', 'epoch', 'iter', 'mmengine_version')
    meta = content.get('meta')
    if isinstance(meta, dict):
        meta = {name: meta[name] for name in known if name in meta}
    else:
        meta = {}
    data = encode_weights(state, meta, out)
    stem, suffix = osp.splitext(out)
    path = f'{stem}-{hashlib.sha256(data).hexdigest()[:8]}{suffix}'
    write_new(path, data)
    return path


if __name__ == '__main__':
    main()
