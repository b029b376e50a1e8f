"""Recognise the action in a video.

Prints the five best classes and writes an annotated video, unless --no-video
is given. Where videos may have several labels (multi_class=True), the
percentages are independent. The video goes through the config's test pipeline,
as in test.py: a file; or a folder of frames where that reads raw frames, a
.npy file where it reads arrays.

Example:
    python tools/demo.py clip.mp4 CONFIG.py CHECKPOINT.pth --out clip_out.mp4
"""

import os.path as osp
import sys

from mmvideomamba.apis import recognize
from mmvideomamba.cli import (
    add_model_arguments,
    existing_file,
    existing_path,
    load_model,
    make_parser,
    one_line_errors,
)
from mmvideomamba.datasets.annotations import read_class_names
from mmvideomamba.datasets.pipelines import find_dataset
from mmvideomamba.datasets.video_inputs import read_frames
from mmvideomamba.models import predicts_probabilities
from mmvideomamba.text import printable
from mmvideomamba.video import write_video
from mmvideomamba.visualization.predictions import (
    annotate_frames,
    score_text,
)


@one_line_errors()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('video', type=existing_path, help='the video')
    add_model_arguments(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        '--out',
        help='annotated video, by default VIDEO_pred.mp4 in this folder',
    )
    output.add_argument(
        '--no-video', action='store_true', help='write no annotated video'
    )
    parser.add_argument(
        '--labels',
        type=existing_file,
        help='text file with one class name a line, by default the classes '
        'that the config names',
    )
    args = parser.parse_args()
    stem = osp.splitext(osp.basename(osp.abspath(args.video)))[0]
    out = args.out or f'{stem}_pred.mp4'
    if not args.no_video and osp.realpath(out) == osp.realpath(args.video):
        raise ValueError(
            f'--out is the video itself, {out}: give another name'
        )
    model = load_model(args)
    classes = None
    if args.labels:
        classes = read_class_names(args.labels, model.cls_head.num_classes)
    dataset = find_dataset(model.cfg, 'test_dataloader')
    if not args.no_video:
        # Opened first: what cannot be drawn is said before the model runs.
        frames, fps = read_frames(dataset, args.video)
    # A terminal without the letters of a name shows its numbers.
    sys.stdout.reconfigure(errors='backslashreplace')
    scores = recognize(model, args.video, classes)[:5]
    probabilities = predicts_probabilities(model)
    for name, score in scores:
        print(f'{score_text(score, probabilities)}  {printable(name)}')
    if args.no_video:
        return
    drawn = annotate_frames(frames, scores, probabilities=probabilities)
    write_video(out, drawn, fps)
    print(f'annotated video: {out}')


if __name__ == '__main__':
    main()
