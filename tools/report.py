"""`mmvideomamba report`, without an installation of the command."""

from mmvideomamba.cli.report import main

if __name__ == '__main__':
    main()
