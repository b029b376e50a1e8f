"""`mmvideomamba finetune`, without an installation of the command."""

from mmvideomamba.cli.finetune import main

if __name__ == '__main__':
    main()
