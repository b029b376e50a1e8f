"""Draw the loss and the validation accuracy of a training.

Example:
    python tools/analysis_tools/plot_training_curve.py work_dirs/NAME
"""

import argparse
import os

from mmvideomamba.analysis.training_log import read_training_log
from mmvideomamba.visualization import draw_training_curve, save_figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('work_dir', help='folder the training wrote into')
    parser.add_argument(
        '--out',
        help='path of the figure without suffix '
        '(default: training_curve in the work_dir)',
    )
    args = parser.parse_args()
    try:
        log = read_training_log(args.work_dir)
    except ValueError as error:
        parser.error(str(error))
    figure = draw_training_curve(log.train, log.val)
    out = args.out or os.path.join(args.work_dir, 'training_curve')
    for path in save_figure(figure, out):
        print(path)


if __name__ == '__main__':
    main()
