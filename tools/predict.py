"""`mmvideomamba predict`, without an installation of the command."""

from mmvideomamba.cli.predict import main

if __name__ == '__main__':
    main()
