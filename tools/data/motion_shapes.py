"""Write the MotionShapes sample data set as real video files.

Example:
    python tools/data/motion_shapes.py data/motion_shapes
"""

import argparse

from mmvideomamba.datasets.motion_shapes import write_motion_shapes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('root', help='folder of the data set')
    parser.add_argument('--num-train', type=int, default=1200)
    parser.add_argument('--num-test', type=int, default=240)
    parser.add_argument('--num-frames', type=int, default=32)
    parser.add_argument('--size', type=int, default=96, help='pixels, even')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    try:
        write_motion_shapes(**vars(args))
    except ValueError as error:
        parser.error(str(error))


if __name__ == '__main__':
    main()
