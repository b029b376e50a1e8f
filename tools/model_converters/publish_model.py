"""Write the weights of a training checkpoint alone, for others to use.

Optimizer, scheduler and logs stay behind, and so does the config, with the
paths of your machine. The first 8 digits of the file's SHA-256 go into its
name.

Example:
    python tools/model_converters/publish_model.py \\
        work_dirs/CONFIG/epoch_30.pth checkpoints/videomamba-small.safetensors
"""

import argparse
import hashlib
import os.path as osp


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', help='what the training saved')
    parser.add_argument(
        'out',
        help='a .pth or .safetensors file; the hash is put into its name',
    )
    args = parser.parse_args()
    if not args.out.endswith(('.pth', '.safetensors')):
        parser.error(f'the output is a .pth or .safetensors, got {args.out}')
    return args


def publish(checkpoint: str, out: str) -> str:
    """Write the weights; return the path with the hash in it."""
    from mmvideomamba.checkpoints import (
        encode_weights,
        identify,
        read_checkpoint,
        with_settings,
        write_new,
    )

    content = read_checkpoint(checkpoint)
    weights = identify(content, checkpoint)
    if weights.family != 'videomamba':
        raise ValueError(
            f'{weights.title} is not a checkpoint of mmvideomamba. Convert '
            'it first: tools/model_converters/convert.py'
        )
    state = {f'backbone.{k}': v for k, v in weights.backbone.items()}
    state.update({f'cls_head.{k}': v for k, v in weights.head.items()})
    if weights.recorded:
        state = with_settings(state, dict(backbone=weights.recorded))
    known = ('dataset_meta', 'epoch', 'iter', 'mmengine_version')
    meta = content.get('meta') or {}
    meta = {name: meta[name] for name in known if name in meta}
    data = encode_weights(state, meta, out)
    stem, suffix = osp.splitext(out)
    path = f'{stem}-{hashlib.sha256(data).hexdigest()[:8]}{suffix}'
    write_new(path, data)
    return path


def main() -> None:
    args = parse_args()
    from mmvideomamba.cli import one_line_errors

    with one_line_errors():
        print(publish(args.checkpoint, args.out))


if __name__ == '__main__':
    main()
