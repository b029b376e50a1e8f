"""Input shapes from pipelines alone, clips from real files."""

import numpy as np
import pytest
import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config
from torch import nn

from mmvideomamba.analysis.inputs import input_shape, read_clip
from mmvideomamba.video import write_video


def make_config(num_clips=2, input_format='NCTHW'):
    pipeline = [
        dict(type='DecordInit'),
        dict(
            type='SampleFrames',
            clip_len=4,
            frame_interval=2,
            num_clips=num_clips,
            test_mode=True,
        ),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(-1, 64)),
        dict(type='CenterCrop', crop_size=64),
        dict(type='FormatShape', input_format=input_format),
        dict(type='PackActionInputs'),
    ]
    return Config(
        dict(
            model=dict(
                type='Recognizer3D',
                backbone=dict(
                    type='VideoMamba',
                    arch=dict(embed_dims=16, num_layers=1),
                    img_size=64,
                    num_frames=4,
                ),
                cls_head=dict(
                    type='VideoMambaHead', num_classes=2, in_channels=16
                ),
                data_preprocessor=dict(
                    type='ActionDataPreprocessor',
                    mean=[100.0, 110.0, 120.0],
                    std=[50.0, 60.0, 70.0],
                    format_shape='NCTHW',
                ),
            ),
            test_dataloader=dict(dataset=dict(pipeline=pipeline)),
            val_dataloader=dict(dataset=dict(pipeline=pipeline)),
        )
    )


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'ramp.mp4'
    levels = np.linspace(20, 230, 40).astype(np.uint8)
    frames = [np.full((96, 128, 3), level) for level in levels]
    write_video(str(path), frames)
    return str(path)


def test_one_view_of_clips_and_all_frames_of_images():
    assert input_shape(make_config()) == (1, 1, 3, 4, 64, 64)
    with_images = make_config(input_format='NCHW')
    assert input_shape(with_images) == (1, 8, 3, 64, 64)


def test_a_config_that_can_only_be_tested():
    config = make_config()
    config.pop('val_dataloader')
    assert input_shape(config) == (1, 1, 3, 4, 64, 64)


def test_a_config_without_a_video_pipeline_is_refused():
    with pytest.raises(ValueError, match='no test_dataloader'):
        input_shape(Config(dict(model=dict())))
    config = make_config()
    config.val_dataloader.dataset.pipeline.pop(1)
    with pytest.raises(ValueError, match='does not run on a blank video'):
        input_shape(config)


def test_a_clip_is_what_the_model_sees(video):
    model = init_recognizer(make_config(), device='cpu')
    first, last = (read_clip(video, model, view) for view in (0, -1))
    assert first.frames.shape == (4, 64, 64, 3)
    assert first.frames.dtype == np.uint8
    assert first.frames.mean() < last.frames.mean()
    assert isinstance(model.backbone, nn.Module)
    assert model.backbone(first.inputs).shape == (1, 16)
    pictures = torch.from_numpy(first.frames).permute(3, 0, 1, 2)[None]
    mean, std = model.data_preprocessor.mean, model.data_preprocessor.std
    expected = (pictures - mean.view(3, 1, 1, 1)) / std.view(3, 1, 1, 1)
    assert torch.allclose(first.inputs, expected)


def test_a_view_that_does_not_exist_is_refused(video):
    model = init_recognizer(make_config(), device='cpu')
    with pytest.raises(ValueError, match='makes 2 views'):
        read_clip(video, model, view=2)
