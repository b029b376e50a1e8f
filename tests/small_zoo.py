"""A metafile with one model, small and with weights that are served."""

import os
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import yaml
from file_server import serving
from small_checkpoints import make_state, save_wrapped

from mmvideomamba import model_zoo

ROOT = Path(__file__).parents[1]
NAME = 'videomamba-tiny-p16_opengvlab-8f_kinetics400-rgb'
CONFIG = (
    'configs/recognition/videomamba/opengvlab/'
    'videomamba-small-p16_opengvlab-8f_kinetics400-rgb.py'
)
# A model small enough for a test.
OPTIONS = {
    'model.backbone.arch': dict(embed_dims=32, num_layers=2, _delete_=True),
    'model.backbone.img_size': 32,
    'model.cls_head.in_channels': 32,
    'model.cls_head.num_classes': 5,
}


def small_state():
    """Weights of the model."""
    return make_state(32, times=8, num_patches=4, classes=5)


@contextmanager
def small_zoo(folder, top1=20.0, options=OPTIONS):
    """Let the package know the one model, its weights as OpenGVLab's files.

    Args:
        folder (Path): Gets the files, and what is downloaded.
        top1 (float): Published accuracy in %.
        options (dict): Settings that replace those of `CONFIG`.
    """
    served = folder / 'served'
    served.mkdir(exist_ok=True)
    save_wrapped(served / 'tiny.pth', small_state())
    if not (folder / 'configs').exists():
        (folder / 'configs').symlink_to(ROOT / 'configs')
    with serving(served) as url:
        entry = dict(
            Name=NAME,
            Config=CONFIG,
            Metadata={
                'Training Data': 'Kinetics-400',
                'Frames': 8,
                'Resolution': '32x32',
                'Parameters': '0.03M',
                'FLOPs': '0.1G',
                'Results From': 'nobody',
                'Config Options': options,
            },
            Results=[dict(Metrics={'Top 1 Accuracy': top1})],
            Weights=f'{url}/tiny.pth',
        )
        (folder / 'meta.yml').write_text(yaml.safe_dump({'Models': [entry]}))
        (folder / 'model-index.yml').write_text('Import: [meta.yml]')
        hub = str(folder / 'hub')
        with (
            mock.patch.object(model_zoo, '_root', lambda: folder),
            mock.patch.dict(os.environ, TORCH_HOME=hub),
        ):
            yield
