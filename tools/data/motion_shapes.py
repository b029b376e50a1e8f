"""Write the MotionShapes sample data set as real video files.

Also draws one clip of each class, ROOT/overview.pdf and ROOT/overview.png.
With --multi-label, two shapes move in each video, and its line in the list has
two labels.

Example:
    python tools/data/motion_shapes.py data/motion_shapes
    python tools/data/motion_shapes.py data/motion_shapes_multilabel \\
        --multi-label
"""

import os.path as osp

import numpy as np

from mmvideomamba.cli import make_parser, one_line_errors
from mmvideomamba.datasets.motion_shapes import (
    PAIRS,
    SINGLES,
    make_clip,
    names_of,
    write_motion_shapes,
)
from mmvideomamba.visualization import draw_clips, save_figure


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('root', help='folder to write the data set to')
    parser.add_argument('--num-train', type=int, default=1200)
    parser.add_argument('--num-test', type=int, default=240)
    parser.add_argument('--num-frames', type=int, default=32)
    parser.add_argument('--size', type=int, default=96, help='pixels, even')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--multi-label',
        action='store_true',
        help='two shapes and two labels a video',
    )
    args = parser.parse_args()
    write_motion_shapes(**vars(args))
    clips = {
        names_of(labels): make_clip(
            labels, np.random.default_rng((args.seed, number))
        )
        for number, labels in enumerate(
            PAIRS[::4] if args.multi_label else SINGLES
        )
    }
    save_figure(draw_clips(clips), osp.join(args.root, 'overview'))


if __name__ == '__main__':
    main()
