"""Draw the loss and the validation accuracy of a training.

Example:
    python tools/analysis_tools/plot_training_curve.py work_dirs/NAME
"""

import os

from mmvideomamba.analysis.training_log import read_training_log
from mmvideomamba.cli import make_parser, one_line_errors
from mmvideomamba.visualization import draw_training_curve, save_figure


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('work_dir', help='folder the training wrote into')
    parser.add_argument(
        '--out',
        help='path of the figure without suffix '
        '(default: training_curve in the work_dir)',
    )
    args = parser.parse_args()
    log = read_training_log(args.work_dir)
    figure = draw_training_curve(log.train, log.val)
    out = args.out or os.path.join(args.work_dir, 'training_curve')
    for path in save_figure(figure, out):
        print(path)


if __name__ == '__main__':
    main()
