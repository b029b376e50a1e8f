"""What the command lines of the tools share: arguments, and how they end.

mmengine is imported where it is needed: the GPU check does without it.
"""

import argparse
import os
import os.path as osp
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, List, Optional, Sequence

from .model_folder import is_model_folder, weights_in
from .text import printable

if TYPE_CHECKING:
    from mmengine.config import Config


# What the names of files in place of a checkpoint end with.
CHECKPOINTS = ('.pth', '.safetensors', '.pkl', '.pickle')


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with `error: MESSAGE` where a user can act on it.

    These are `OSError` and `ValueError`, whose messages name what was
    expected and what came. Every other error is a fault of the program and
    keeps its traceback. Also a decorator:

        @one_line_errors()
        def main() -> None:
    """
    try:
        yield
    except (OSError, ValueError) as error:
        sys.exit('error: ' + printable(error, keep='\n'))


class ToolParser(argparse.ArgumentParser):
    """A parser that takes a model folder in place of config and checkpoint.

    Attributes:
        takes_model (bool): Whether there are such arguments.
    """

    takes_model = False

    def parse_known_args(  # type: ignore[override]  # its overloads
        self, args: Optional[Sequence[str]] = None, namespace: Any = None
    ) -> Any:
        """Parse as usual; the model folder is both arguments."""
        words = list(sys.argv[1:] if args is None else args)
        if self.takes_model:
            words = _name_folder_twice(words)
        return super().parse_known_args(words, namespace)


def _name_folder_twice(words: List[str]) -> List[str]:
    """FOLDER -> FOLDER FOLDER, unless a checkpoint is there."""
    for place, word in enumerate(words):
        if word.endswith(CHECKPOINTS):
            break
        if is_model_folder(word):
            following = words[place + 1 : place + 2]
            if not any(map(_is_checkpoint, following)):
                return [*words[:place], word, *words[place:]]
            break
    return words


def _is_checkpoint(word: str) -> bool:
    return word.endswith(CHECKPOINTS) or is_model_folder(word)


def make_parser(description: str) -> ToolParser:
    """A parser whose --help shows the docstring of a tool as it is."""
    return ToolParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def existing_file(path: str) -> str:
    """The type of an argument that names a file."""
    if not osp.isfile(path):
        raise argparse.ArgumentTypeError(f'no such file: {path}')
    return path


def existing_path(path: str) -> str:
    """The type of an argument that names a file or a folder."""
    return path if osp.isdir(path) else existing_file(path)


def file_or_url(path: str) -> str:
    """The type of an argument that names a checkpoint.

    A file, an address, or a model folder, which becomes its weights.
    """
    if '://' in path:
        return path
    try:
        return existing_file(weights_in(path))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(printable(error)) from error


def config_or_folder(path: str) -> str:
    """The type of an argument that names a config or a model folder."""
    return path if is_model_folder(path) else existing_file(path)


def existing_folder(path: str) -> Path:
    """The type of an argument that names a folder."""
    if not osp.isdir(path):
        raise argparse.ArgumentTypeError(f'no folder {path}')
    return Path(path)


def weights_file(path: str) -> str:
    """The type of an argument that names a file of weights to write."""
    if not path.endswith(('.pth', '.safetensors')):
        raise argparse.ArgumentTypeError(
            f'the output is a .pth or .safetensors, got {path}'
        )
    return path


def positive_int(text: str) -> int:
    """The type of an argument that counts something."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(
            f'expected a whole number of at least 1, got {text!r}'
        )
    return value


def add_cfg_options(
    parser: argparse.ArgumentParser, example: str = 'model.backbone.arch=tiny'
) -> None:
    """Add --cfg-options; None where it is not given."""
    from mmengine.config import DictAction

    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, for example '
        f'{example}',
    )


WEIGHTS = 'its weights, a file or a URL'


def add_model_arguments(parser: ToolParser, checkpoint: str = WEIGHTS) -> None:
    """Add what `mmvideomamba.apis.init_model` takes.

    Args:
        parser (ToolParser): Of a tool.
        checkpoint (str): What may be given as the checkpoint.
    """
    parser.add_argument(
        'config',
        type=config_or_folder,
        help='config of the model, or a model folder alone',
    )
    add_checkpoint(parser, checkpoint)
    parser.add_argument(
        '--device', help='for example cuda:0; by default a GPU if there is one'
    )
    add_cfg_options(parser)


def add_checkpoint(parser: ToolParser, what: str = WEIGHTS) -> None:
    """Add the checkpoint that follows a config."""
    parser.add_argument('checkpoint', type=file_or_url, help=what)
    parser.takes_model = True


def add_video(parser: argparse.ArgumentParser) -> None:
    """Add what `mmvideomamba.apis.read_clip` takes."""
    parser.add_argument(
        'video',
        type=existing_path,
        help='the video: a file, or what else the test pipeline reads',
    )
    parser.add_argument(
        '--view',
        type=int,
        default=0,
        help='view of the test pipeline, counted from 0 (default: 0)',
    )


def add_out(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --out of a tool that writes several files of one name."""
    parser.add_argument(
        '--out',
        default=default,
        help='path of the results without suffix (default: %(default)s)',
    )


def add_run_arguments(parser: argparse.ArgumentParser, example: str) -> None:
    """Add what every run of mmengine's runner takes.

    Args:
        parser (ArgumentParser): Of train.py or test.py.
        example (str): A setting for --cfg-options.
    """
    parser.add_argument('config', type=config_or_folder, help='config file')
    parser.add_argument(
        '--work-dir',
        help='folder of what the run writes, by default '
        'work_dirs/NAME_OF_CONFIG',
    )
    add_cfg_options(parser, example)
    parser.add_argument(
        '--brief',
        action='store_true',
        help='print one line for each epoch and test; the log file has all',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what has started the processes of a distributed run',
    )
    # torch.distributed.launch passes it.
    parser.add_argument(
        '--local-rank', '--local_rank', type=int, help=argparse.SUPPRESS
    )


def read_run_config(args: argparse.Namespace) -> 'Config':
    """Read the config that `add_run_arguments` asks for.

    --cfg-options replaces its settings, --work-dir both.
    """
    from .model_zoo import read_config

    cfg = read_config(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    cfg.launcher = args.launcher
    if args.launcher != 'none':
        # Launchers other than torchrun leave it to the argument.
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank or 0))
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = Path(args.config).absolute().stem
        cfg.work_dir = osp.join('work_dirs', name)
    return cfg
