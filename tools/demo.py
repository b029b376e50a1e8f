"""Recognise the action in a video file.

Prints the five best classes and writes an annotated video. Where videos may
have several labels (multi_class=True), the percentages are independent.

Example:
    python tools/demo.py clip.mp4 CONFIG.py CHECKPOINT.pth --out clip_out.mp4
"""

import os.path as osp

from mmvideomamba.apis import init_model, recognize
from mmvideomamba.cli import (
    add_model_arguments,
    existing_file,
    make_parser,
    one_line_errors,
)
from mmvideomamba.datasets.annotations import read_class_names
from mmvideomamba.models import predicts_probabilities
from mmvideomamba.video import read_video, write_video
from mmvideomamba.visualization.predictions import (
    annotate_frames,
    score_text,
)


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('video', type=existing_file, help='the video file')
    add_model_arguments(parser)
    parser.add_argument(
        '--out',
        help='annotated video, by default VIDEO_pred.mp4 in this folder',
    )
    parser.add_argument(
        '--labels',
        type=existing_file,
        help='text file with one class name a line, by default the classes '
        'that the config names',
    )
    args = parser.parse_args()
    model = init_model(
        args.config, args.checkpoint, args.device, args.cfg_options
    )
    classes = None
    if args.labels:
        classes = read_class_names(args.labels, model.cls_head.num_classes)
    scores = recognize(model, args.video, classes)[:5]
    probabilities = predicts_probabilities(model)
    for name, score in scores:
        print(f'{score_text(score, probabilities)}  {name}')

    stem = osp.splitext(osp.basename(args.video))[0]
    out = args.out or f'{stem}_pred.mp4'
    frames, fps = read_video(args.video)
    drawn = annotate_frames(frames, scores, probabilities=probabilities)
    write_video(out, drawn, fps)
    print(f'annotated video: {out}')


if __name__ == '__main__':
    main()
