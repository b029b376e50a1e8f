"""`mmvideomamba train`, without an installation of the command."""

from mmvideomamba.cli.train import main

if __name__ == '__main__':
    main()
