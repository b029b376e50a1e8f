"""The command line of the tools that look at a trained model."""

import argparse
import contextlib
import os.path as osp
import sys
from typing import Iterator

from mmengine.config import Config, DictAction

# AssertionError: what torch without CUDA raises when asked for it.
UNUSABLE = (AssertionError, OSError, RuntimeError, ValueError)


def make_parser(
    description: str, out: str, with_video: bool = False
) -> argparse.ArgumentParser:
    """[VIDEO] CONFIG CHECKPOINT, and where to run and to write.

    Args:
        description (str): The tool's docstring.
        out (str): Where it writes by default.
        with_video (bool): Whether it looks at one video.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if with_video:
        parser.add_argument('video', help='the video file')
    parser.add_argument('config', help='config of the model')
    parser.add_argument('checkpoint', help='weights of the model')
    parser.add_argument(
        '--out',
        default=out,
        help='path of the results without suffix (default: %(default)s)',
    )
    parser.add_argument(
        '--device', help='for example cuda:0; by default a GPU if there is one'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config',
    )
    if with_video:
        parser.add_argument(
            '--view',
            type=int,
            default=0,
            help='view of the test pipeline, counted from 0 (default: 0)',
        )
    return parser


def parse_args(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse, and refuse files that are not there."""
    args = parser.parse_args()
    for name in ('video', 'config', 'checkpoint', 'labels'):
        path = getattr(args, name, '')
        # A checkpoint may also be a URL.
        if path and '://' not in path and not osp.isfile(path):
            parser.error(f'no such file: {path}')
    return args


@contextlib.contextmanager
def without_traceback(about: str = '') -> Iterator[None]:
    """End the tool with the message where what it was given is of no use.

    Args:
        about (str): What that is, where the error does not tell.
    """
    try:
        yield
    except Exception as error:
        reason = str(error) or repr(error)
        # By name, as decord need not be there; its stack follows the message.
        if type(error).__name__ == 'DECORDError':
            reason = reason.splitlines()[0]
        elif not isinstance(error, UNUSABLE):
            raise
        sys.exit(f'error: {about}: {reason}' if about else f'error: {reason}')


def load_model(args: argparse.Namespace, checkpoint: bool = True):
    """Return the recognizer in evaluation mode, its config in `cfg`.

    Args:
        args (argparse.Namespace): Of `parse_args`.
        checkpoint (bool): False leaves the model as it is before training.
    """
    import torch
    from mmaction.apis import init_recognizer

    device = args.device or ('cuda:0' if torch.cuda.is_available() else 'cpu')
    config = Config.fromfile(args.config)
    config.merge_from_dict(getattr(args, 'cfg_options', None) or {})
    # The checkpoint brings the weights; nothing else is to be loaded.
    config.model.backbone.pop('init_cfg', None)
    path = args.checkpoint if checkpoint else None
    with without_traceback(device):
        torch.empty(0, device=device)
    with without_traceback():
        return init_recognizer(config, path, device=device)


def load_clip(args: argparse.Namespace, model):
    """Return the `Clip` that the model is to look at."""
    from mmvideomamba.analysis.inputs import read_clip

    with without_traceback(args.video):
        return read_clip(args.video, model, args.view)
