"""The command `mmvideomamba`, and `python -m mmvideomamba`."""

import argparse
import sys
from importlib import import_module

COMMANDS = {
    'list': 'the public weights, and what their authors publish',
    'train': 'train a recognizer',
    'test': 'test a checkpoint, or compare public weights with their result',
    'finetune': 'from a folder of your own videos to a model and a report',
    'predict': 'recognise the actions in videos',
    'report': 'what a model gets wrong',
    'page': 'try models in a browser',
}


def main() -> None:
    width = max(map(len, COMMANDS))
    lines = [f'  {name:{width}}  {what}' for name, what in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        'mmvideomamba',
        description='\n'.join(
            ['VideoMamba in mmaction2.', '', 'commands:', *lines]
        ),
        epilog='`mmvideomamba COMMAND --help` tells the arguments.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'command',
        choices=COMMANDS,
        metavar='COMMAND',
        help='one of the above, and its arguments',
    )
    # The arguments are those of the command, its --help too.
    command = parser.parse_args(sys.argv[1:2]).command
    sys.argv = [f'mmvideomamba {command}', *sys.argv[2:]]
    import_module(f'.cli.{command}', __package__).main()


if __name__ == '__main__':
    main()
