"""`mmvideomamba test`, without an installation of the command."""

from mmvideomamba.cli.test import main

if __name__ == '__main__':
    main()
