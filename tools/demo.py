"""Recognise the action in a video file.

Prints the five best classes and writes an annotated video.

Example:
    python tools/demo.py clip.mp4 CONFIG.py CHECKPOINT.pth --out clip_out.mp4
"""

import argparse
import os.path as osp
import sys

from analysis_tools.model_arguments import (
    load_model,
    parse_args,
    without_traceback,
)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('video', help='the video file')
    parser.add_argument('config', help='config of the model')
    parser.add_argument('checkpoint', help='weights of the model')
    parser.add_argument(
        '--out',
        help='annotated video, by default VIDEO_pred.mp4 in this folder',
    )
    parser.add_argument(
        '--labels',
        help='text file with one class name a line, by default the classes '
        'that the config names',
    )
    parser.add_argument(
        '--device', help='for example cuda:0; by default a GPU if there is one'
    )
    return parser


def main() -> None:
    args = parse_args(make_parser())
    import decord
    from mmaction.apis import inference_recognizer

    from mmvideomamba.video import write_video
    from mmvideomamba.visualization.predictions import (
        annotate_frames,
        top_scores,
    )

    model = load_model(args)
    if args.labels:
        with without_traceback(args.labels), open(args.labels) as file:
            classes = file.read().rstrip().splitlines()
        num_classes = model.cls_head.num_classes
        if len(classes) != num_classes:
            sys.exit(
                f'error: {args.labels} has {len(classes)} names, the model '
                f'{num_classes} classes'
            )
    else:
        dataset = model.cfg.test_dataloader.dataset
        classes = dataset.get('metainfo', {}).get('classes')
    with without_traceback(args.video):
        sample = inference_recognizer(model, args.video)
    scores = top_scores(sample.pred_score.tolist(), classes)
    for name, score in scores:
        print(f'{score:7.2%}  {name}')

    out = args.out
    if out is None:
        out = osp.splitext(osp.basename(args.video))[0] + '_pred.mp4'
    with without_traceback(args.video):
        reader = decord.VideoReader(args.video)
        frames = (frame.asnumpy() for frame in reader)
        write_video(out, annotate_frames(frames, scores), reader.get_avg_fps())
    print(f'annotated video: {out}')


if __name__ == '__main__':
    main()
