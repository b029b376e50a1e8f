"""What the command lines share: arguments, and how they end.

mmengine is imported where it is needed: the GPU check does without it.
"""

import argparse
import os
import os.path as osp
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Optional

from ..model_folder import weights_in
from ..text import printable

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.model import BaseModel


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


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser whose --help shows the docstring of a tool as it is."""
    return argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def existing_file(path: str) -> str:
    """The type of an argument that names a file."""
    if not osp.isfile(path):
        raise argparse.ArgumentTypeError(f'no such file: {path}')
    return path


def config_or_model(name: str) -> str:
    """The type of an argument that names what `find_model` finds.

    Names of models hold no slash and no suffix; the rest are paths.
    """
    is_path = os.sep in name or name.endswith('.py')
    return existing_path(name) if is_path else name


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


def existing_folder(path: str) -> Path:
    """The type of an argument that names a folder."""
    if not osp.isdir(path):
        raise argparse.ArgumentTypeError(f'no folder {path}')
    return Path(path)


def is_weights(path: str) -> bool:
    """Whether a file or URL has the suffix of weights."""
    return path.endswith(('.pth', '.safetensors'))


def weights_file(path: str) -> str:
    """The type of an argument that names a file of weights to write."""
    if not is_weights(path):
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


def add_model_arguments(
    parser: argparse.ArgumentParser, weights: str = 'a file or a URL'
) -> None:
    """Add what `load_model` takes.

    Args:
        parser (ArgumentParser): Of a tool.
        weights (str): What may be given as them.
    """
    parser.add_argument(
        'config',
        type=config_or_model,
        help='config of the model, its name, or its folder: of a training, '
        'or one that publish_model.py has written',
    )
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help=f'its weights, {weights}; named models and folders have their '
        'own',
    )
    parser.add_argument(
        '--device', help='for example cuda:0; by default a GPU if there is one'
    )
    add_cfg_options(parser)


def load_model(args: argparse.Namespace) -> 'BaseModel':
    """Build the model that `add_model_arguments` asks for.

    Raises:
        OSError, ValueError: As `find_model` and `init_model` do, or there are
            no weights.
    """
    from ..apis import init_model
    from ..model_zoo import find_model

    config, own = find_model(args.config)
    checkpoint = require_weights(args.checkpoint or own, args.config)
    return init_model(config, checkpoint, args.device, args.cfg_options)


def require_weights(checkpoint: Optional[str], config: str) -> str:
    """What was given as a checkpoint, or comes with a model.

    Raises:
        FileNotFoundError: It is a file that is not there.
        ValueError: There is none.
    """
    if checkpoint is None:
        raise ValueError(
            f'{config} comes without weights: name a checkpoint after it, a '
            'file or a URL'
        )
    if '://' in checkpoint:
        return checkpoint
    checkpoint = weights_in(checkpoint)
    if not osp.isfile(checkpoint):
        raise FileNotFoundError(f'no such file: {checkpoint}')
    return checkpoint


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


def add_blocks(parser: argparse.ArgumentParser) -> None:
    """Add --blocks of a tool that looks into the blocks of a model."""
    parser.add_argument(
        '--blocks',
        nargs='+',
        type=int,
        help='numbers of the blocks, counted from 0, negative ones from the '
        'last; by default four from the first to the last',
    )


def add_out(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --out of a tool that writes several files of one name."""
    parser.add_argument(
        '--out',
        default=default,
        help='path of the results without suffix (default: %(default)s)',
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add --workers of a tool that looks at many files."""
    parser.add_argument(
        '--workers',
        type=positive_int,
        default=os.cpu_count(),
        help='number of processes (default: of CPUs, %(default)s)',
    )


def add_measurement(parser: argparse.ArgumentParser) -> None:
    """Add what a benchmark of models takes; the tool sets its defaults."""
    parser.add_argument(
        '--batch-sizes',
        nargs='+',
        type=positive_int,
        default=[1],
        metavar='B',
        help='clips at once (default: 1)',
    )
    parser.add_argument(
        '--rounds',
        type=positive_int,
        help='timings of each, one a round (default: %(default)s)',
    )
    parser.add_argument(
        '--budget',
        type=float,
        metavar='SECONDS',
        help='what took longer in all its rounds of a pass sits out the rest, '
        'after two at least (default: %(default)s)',
    )
    parser.add_argument(
        '--json',
        metavar='FILE',
        help='write the results there, see mmvideomamba/benchmark/record.py',
    )


def add_division(parser: argparse.ArgumentParser) -> None:
    """Add what `datasets.class_folders.split_off_validation` takes."""
    parser.add_argument(
        '--val',
        type=float,
        default=0.2,
        metavar='SHARE',
        help='of each class for validation (default: %(default)s)',
    )
    parser.add_argument(
        '--group',
        metavar='REGEX',
        help='keep videos together in whose names it finds the same text, '
        "such as 'person[0-9]+'",
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='of all that is random (default: %(default)s)',
    )


def add_run_arguments(parser: argparse.ArgumentParser, example: str) -> None:
    """Add what every run of mmengine's runner takes.

    Args:
        parser (ArgumentParser): Of train.py or test.py.
        example (str): A setting for --cfg-options.
    """
    parser.add_argument(
        'config',
        type=config_or_model,
        help='config file, or the name of a config or model of ours',
    )
    parser.add_argument(
        '--data-root',
        type=existing_folder,
        help='folder of the data set, in place of that of the config',
    )
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

    --cfg-options replaces its settings, --data-root and --work-dir both.

    Raises:
        ValueError: There is no such model, or --data-root is for data sets
            that have no `data_root`.
    """
    from ..model_zoo import find_model

    cfg = find_model(args.config).config
    cfg.merge_from_dict(args.cfg_options or {})
    cfg.launcher = args.launcher
    if args.launcher != 'none':
        # Launchers other than torchrun leave it to the argument.
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank or 0))
    if args.data_root is not None:
        set_data_root(cfg, str(args.data_root))
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = Path(args.config).absolute().stem
        cfg.work_dir = osp.join('work_dirs', name)
    return cfg


def set_data_root(cfg: 'Config', folder: str) -> None:
    """Let all data sets of a config be below another folder.

    Raises:
        ValueError: One of them has no `data_root`.
    """
    from ..datasets.pipelines import find_datasets

    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for dataset in find_datasets(cfg, loader) if cfg.get(loader) else ():
            if dataset.get('data_root') is None:
                raise ValueError(
                    f'--data-root: {loader} of the config has no data_root, '
                    f'its list is {dataset.get("ann_file")}'
                )
            dataset.data_root = folder
