"""Convert a public checkpoint to one of ours, for the model of a config.

Takes what `init_cfg=dict(type='Pretrained')` takes: Vim, OpenGVLab's
VideoMamba (images and video), mmvideomamba. Prints what was loaded and
adapted, and which keys are missing and unexpected; checks the result, and
writes it without optimizer state. The head is kept if it has as many classes
as the config's.

Example:
    python tools/model_converters/convert.py \\
        configs/recognition/videomamba/CONFIG.py vim_s_midclstok_80p5acc.pth \\
        checkpoints/vim_s_for_16_frames.safetensors
"""

import argparse
import os
import os.path as osp
from typing import Tuple

import mmvideomamba.waiting_threads  # noqa: F401  # before torch

# isort: split
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint

from mmvideomamba import __version__, checkpoints
from mmvideomamba.checkpoints import upstream_forward
from mmvideomamba.checkpoints.report import shapes_of
from mmvideomamba.cli import (
    existing_file,
    make_parser,
    one_line_errors,
    weights_file,
)
from mmvideomamba.models import VideoMamba
from mmvideomamba.positions import cls_row_from_front
from mmvideomamba.registry import MODELS

TOLERANCE = 1e-4


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument(
        'config', type=existing_file, help='config of the model it is to fit'
    )
    parser.add_argument('checkpoint', help='a file or an http(s) URL')
    parser.add_argument(
        'out', type=weights_file, help='a new .pth or .safetensors file'
    )
    parser.add_argument(
        '--family',
        help="whose image model it is, 'vim' or 'opengvlab_image', where "
        'neither the file nor its name tells',
    )
    parser.add_argument(
        '--inflate',
        choices=['average', 'centre'],
        default='average',
        help='how a patch embedding of images becomes one of tubelets '
        '(default: average, the paper)',
    )
    return parser.parse_args()


@one_line_errors()
def main() -> None:
    args = parse_args()
    checkpoints.require_new(args.out)
    cfg = Config.fromfile(args.config)
    init_default_scope('mmaction')
    if cfg.model.backbone.type != 'VideoMamba':
        raise ValueError(
            f'the backbone of {args.config} is {cfg.model.backbone.type}, '
            'expected VideoMamba'
        )
    cfg.model.backbone.pop('init_cfg', None)
    model = MODELS.build(cfg.model).eval()
    content = checkpoints.read_checkpoint(args.checkpoint)
    weights = checkpoints.identify(content, args.checkpoint, args.family)
    tensors, rows = checkpoints.fit_backbone(
        weights, model.backbone, args.inflate
    )
    state = model.state_dict()
    state.update({f'backbone.{name}': t for name, t in tensors.items()})
    kept = shapes_of(weights.head) == shapes_of(model.cls_head.state_dict())
    if kept:
        state.update({f'cls_head.{k}': v for k, v in weights.head.items()})
    else:
        rows += checkpoints.unexpected_head(weights)
    print(checkpoints.make_report(weights, rows))
    print(
        f'The head is {"kept" if kept else "new"}: the checkpoint has '
        f'{len(weights.head.get("fc_cls.weight", ()))} classes, the config '
        f'{cfg.model.cls_head.num_classes}.'
    )
    model.load_state_dict(state)

    if weights.family == 'videomamba':
        print("Not compared with a formula: they are mmvideomamba's own.")
    else:
        error, what = error_against_authors(weights, model.backbone, args)
        require(error <= TOLERANCE, f'error {error:.1e}, {what}')
        print(f'Checked: {what}; largest error {error:.1e} of the largest.')

    meta = dict(
        source=osp.basename(args.checkpoint),
        family=weights.family,
        mmvideomamba_version=__version__,
    )
    content = checkpoints.encode_weights(model.state_dict(), meta, args.out)
    checkpoints.write_new(args.out, content)
    again = MODELS.build(cfg.model).eval()
    load_checkpoint(again, args.out, logger='silent')
    # One tubelet of 4 x 4 patches: enough, and quick.
    frames, height, width = model.backbone.tokenizer.tubelet
    clip = torch.randn(1, 3, frames, 4 * height, 4 * width)
    with torch.no_grad():
        scores = [m.cls_head(m.backbone(clip)) for m in (model, again)]
    if not torch.equal(*scores):
        os.remove(args.out)
        require(False, 'the written file gives other scores')
    print(
        f'Checked: {args.out}, loaded as tools/test.py loads it, gives the '
        'very scores of the converted model on a random clip.'
    )


def error_against_authors(weights, backbone, args) -> Tuple[float, str]:
    """Run our model and the authors' formulae on a random input.

    Ours is a twin of the backbone with what belongs to the authors' model:
    the class token's position, the scan orders and, for a video, the tubelet.
    To be quick, both see 64 x 64 pixels, positions resized alike: an image as
    a clip of one tubelet that does not move, or a video of two frames.

    Returns:
        tuple: Largest difference relative to the largest feature, and what
        was compared.
    """
    conventions = weights.conventions
    mixer = backbone.layers[0].mixer
    frames, patch, _ = backbone.tokenizer.tubelet
    video = weights.family == 'opengvlab_video'
    twin = VideoMamba(
        arch=dict(
            embed_dims=backbone.embed_dims,
            num_layers=backbone.num_layers,
            d_state=mixer.d_state,
            d_conv=mixer.conv_weight.shape[-1],
            expand=mixer.d_inner // backbone.embed_dims,
        ),
        img_size=4 * patch,
        patch_size=patch,
        num_frames=2 if video else frames,
        tubelet_size=1 if video else frames,
        merge=mixer.merge,
        pos_embed='factorized',
        cls_token_position=conventions.cls_token_position,
    ).eval()
    tensors, _ = checkpoints.fit_backbone(weights, twin, args.inflate)
    twin.load_state_dict(tensors)

    state = dict(weights.backbone)
    state['pos_embed'] = cls_row_from_front(
        tensors['pos_embed.spatial'], conventions.cls_token_position
    )
    if video:
        state['temporal_pos_embedding'] = tensors['pos_embed.temporal']
        clip = torch.randn(3, 2, 4 * patch, 4 * patch)
        expected = upstream_forward.video_features(state, clip)
        what = 'a random clip of two frames'
    else:
        image = torch.randn(3, 4 * patch, 4 * patch)
        clip = image[:, None].expand(-1, frames, -1, -1)
        expected = upstream_forward.image_features(
            state, image, conventions.cls_token_position, conventions.merge
        )
        what = 'a random image, to ours a clip that does not move'
    with torch.no_grad():
        actual = twin(clip[None])[0].double()
    error = (actual - expected).abs().max() / expected.abs().max()
    return error.item(), (
        f"features of the authors' formulae in float64 on {what}, 64 x 64 px, "
        'against a model of their settings with these weights'
    )


def require(passed: bool, reason: str) -> None:
    if not passed:
        raise ValueError(f'the check failed, nothing is to be used: {reason}')


if __name__ == '__main__':
    main()
