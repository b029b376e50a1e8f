"""What the tools that look at one clip have in common."""

import argparse
import os.path as osp
import sys


def make_parser(description: str) -> argparse.ArgumentParser:
    """VIDEO CONFIG CHECKPOINT, and where to write and to run."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('video', help='the video file')
    parser.add_argument('config', help='config of the model')
    parser.add_argument('checkpoint', help='weights of the model')
    parser.add_argument(
        '--out-dir', default='.', help='folder to write to (default: here)'
    )
    parser.add_argument(
        '--view',
        type=int,
        default=0,
        help='which of the views of the test pipeline (default: the first)',
    )
    parser.add_argument(
        '--device', help='for example cuda:0; by default a GPU if there is one'
    )
    return parser


def parse_args(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse, and refuse files that are not there."""
    args = parser.parse_args()
    for path in (args.video, args.config, args.checkpoint):
        # A checkpoint may also be a URL.
        if '://' not in path and not osp.isfile(path):
            parser.error(f'no such file: {path}')
    return args


def load(args: argparse.Namespace):
    """Return the model, and the `Clip` it is to look at."""
    import torch
    from mmaction.apis import init_recognizer
    from mmengine.config import Config

    from mmvideomamba.analysis.inputs import read_clip

    device = args.device or ('cuda:0' if torch.cuda.is_available() else 'cpu')
    config = Config.fromfile(args.config)
    # The checkpoint brings the weights; nothing else is to be loaded.
    config.model.backbone.pop('init_cfg', None)
    model = init_recognizer(config, args.checkpoint, device=device)
    try:
        return model, read_clip(args.video, model, args.view)
    except (RuntimeError, ValueError) as error:
        # The first line says it; decord adds its stack.
        sys.exit(f'error: {args.video}: {str(error).splitlines()[0]}')
