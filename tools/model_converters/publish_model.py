"""Write the weights of a training checkpoint, for others to use.

OUT is a folder: it gets model.safetensors and config.json, which says what
the model is, what it does to a video, and what its classes are called. All
tools take such a folder in place of config and checkpoint. Or OUT is a file:
the first 8 digits of its SHA-256 go into its name, and config.json comes
beside a .safetensors. Optimizer, scheduler and logs stay behind, and so do the
settings of the training and the paths of your machine.

Example:
    python tools/model_converters/publish_model.py \\
        work_dirs/CONFIG/epoch_30.pth published/videomamba-small-mine
"""

import argparse
import hashlib
import os.path as osp
from pathlib import Path
from typing import Optional

from mmvideomamba.apis import init_model
from mmvideomamba.checkpoints import (
    encode_weights,
    identify,
    read_checkpoint,
    require_new,
    with_settings,
    write_new,
)
from mmvideomamba.cli import existing_file, make_parser, one_line_errors
from mmvideomamba.cli.arguments import is_weights
from mmvideomamba.hub import describe_model, write_model
from mmvideomamba.model_folder import CONFIG, WEIGHTS
from mmvideomamba.model_zoo import find_config


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('checkpoint', help='what the training saved')
    parser.add_argument(
        'out',
        type=folder_or_file,
        help='a new folder, or a .pth or .safetensors file; the hash is put '
        'into the name of a file',
    )
    parser.add_argument(
        '--config',
        type=existing_file,
        help='that of the training, by default the one beside the checkpoint',
    )
    parser.add_argument(
        '--license', help="of the weights, such as 'apache-2.0'"
    )
    args = parser.parse_args()
    print(publish(args.checkpoint, args.out, args.config, args.license))


def folder_or_file(path: str) -> str:
    """The type of what is written."""
    named_so = not osp.splitext(path)[1] or is_weights(path)
    if not named_so and not osp.isdir(path):
        raise argparse.ArgumentTypeError(
            f'the output is a folder, or a .pth or .safetensors, got {path}'
        )
    return path


def publish(
    checkpoint: str,
    out: str,
    config: Optional[str] = None,
    license: Optional[str] = None,
) -> str:
    """Write the weights, and what they are; return the path of the file."""
    content = read_checkpoint(checkpoint)
    weights = identify(content, checkpoint)
    if weights.family != 'videomamba':
        raise ValueError(
            f'{weights.title} is not a checkpoint of mmvideomamba. Convert '
            'it first: tools/model_converters/convert.py'
        )
    is_folder = not is_weights(out)
    path = osp.join(out, WEIGHTS) if is_folder else out
    description = None
    if path.endswith('.safetensors'):
        require_new(osp.join(osp.dirname(path), CONFIG))
        config = config or config_beside(checkpoint)
        # It is loaded once, so that the two are of one model.
        model = init_model(config, checkpoint, 'cpu')
        state = model.state_dict()
        description = describe_model(model.cfg, state, license)
    else:
        state = weights.under_recognizer_keys()
        if weights.recorded:
            state = with_settings(state, dict(backbone=weights.recorded))
    known = ('dataset_meta', 'epoch', 'iter', 'mmengine_version')
    meta = content.get('meta')
    if isinstance(meta, dict):
        meta = {name: meta[name] for name in known if name in meta}
    else:
        meta = {}
    data = encode_weights(state, meta, path)
    if not is_folder:
        stem, suffix = osp.splitext(out)
        path = f'{stem}-{hashlib.sha256(data).hexdigest()[:8]}{suffix}'
    if description is None:
        write_new(path, data)
    else:
        write_model(path, data, description)
    return path


def config_beside(checkpoint: str) -> str:
    """The config of the training that saved a checkpoint."""
    try:
        return find_config(Path(checkpoint).absolute().parent)
    except ValueError as error:
        raise ValueError(
            f'{error}: give --config CONFIG.py, or write the weights alone, '
            'to a .pth'
        ) from error


if __name__ == '__main__':
    main()
