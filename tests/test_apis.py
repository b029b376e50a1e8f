"""Models, clips and answers from configs and real files."""

import itertools
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from small_models import small_recognizer
from torch import nn

from mmvideomamba.apis import (
    extract_features,
    find_backbone,
    init_model,
    input_shape,
    read_clip,
    recognize,
)
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
    model = small_recognizer(num_classes=2, img_size=64)
    model['data_preprocessor'].update(
        mean=[100.0, 110.0, 120.0], std=[50.0, 60.0, 70.0]
    )
    return Config(
        dict(
            model=model,
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
    model = init_model(make_config(), device='cpu')
    first, last = (read_clip(model, video, view) for view in (0, -1))
    assert first.frames.shape == (4, 64, 64, 3)
    assert first.frames.dtype == np.uint8
    assert first.frames.mean() < last.frames.mean()
    assert find_backbone(model)(first.inputs).shape == (1, 16)
    pictures = torch.from_numpy(first.frames).permute(3, 0, 1, 2)[None]
    mean, std = model.data_preprocessor.mean, model.data_preprocessor.std
    expected = (pictures - mean.view(3, 1, 1, 1)) / std.view(3, 1, 1, 1)
    assert torch.allclose(first.inputs, expected)


def test_a_view_that_does_not_exist_is_refused(video):
    model = init_model(make_config(), device='cpu')
    with pytest.raises(ValueError, match='makes 2 views'):
        read_clip(model, video, view=2)


def test_a_config_alone_gives_the_same_clip(video):
    model = init_model(make_config(), device='cpu')
    expected, actual = read_clip(model, video), read_clip(model.cfg, video)
    assert torch.equal(actual.inputs, expected.inputs)
    assert np.array_equal(actual.frames, expected.frames)


def test_a_video_that_cannot_be_read_is_named(video):
    model = init_model(make_config(), device='cpu')
    with open(video, 'wb') as file:
        file.write(b'not a video')
    for function in read_clip, recognize:
        with pytest.raises(ValueError, match=f'^{video}: '):
            function(model, video)


def test_a_model_without_a_videomamba_is_refused():
    with pytest.raises(ValueError, match='expected a model with a VideoMamba'):
        find_backbone(nn.Linear(2, 2))


def test_a_model_is_built_from_config_checkpoint_and_options(tmp_path):
    config = make_config()
    config.model.backbone.init_cfg = dict(
        type='Pretrained', checkpoint='not/there.pth'
    )
    text = config.pretty_text
    path = tmp_path / 'config.py'
    config.dump(str(path))
    first = init_model(config, device='cpu')
    torch.save(dict(state_dict=first.state_dict()), tmp_path / 'a.pth')
    second = init_model(
        str(path),
        str(tmp_path / 'a.pth'),
        cfg_options={'model.test_cfg': dict(max_testing_views=1)},
    )
    assert not second.training and second.test_cfg.max_testing_views == 1
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name].cpu()), name
    assert config.pretty_text == text


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(device='cuda:99'), '^cuda:99: '),
        (
            dict(cfg_options={'model.backbone.type': 'VideoMumba'}),
            'VideoMumba is not in the ',
        ),
    ],
)
def test_what_cannot_be_built_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        init_model(make_config(), **{'device': 'cpu', **options})


def test_a_video_is_recognised_in_all_views(video):
    config = make_config()
    model = init_model(config, device='cpu')
    best, other = recognize(model, video)
    assert {best.name, other.name} == {'class 0', 'class 1'}
    assert best.score >= other.score
    assert best.score + other.score == pytest.approx(1)

    views = [read_clip(model, video, view).inputs for view in range(2)]
    with torch.no_grad():
        logits = model.cls_head(model.backbone(torch.cat(views)))
    scores = logits.softmax(dim=-1).mean(dim=0)
    assert best.score == pytest.approx(scores.max().item(), abs=1e-6)
    assert best.name == f'class {scores.argmax()}'


def test_classes_are_named_by_the_config_or_the_caller(video):
    config = make_config()
    config.test_dataloader.dataset.metainfo = dict(classes=['up', 'down'])
    model = init_model(config, device='cpu')
    names = {score.name for score in recognize(model, video)}
    assert names == {'up', 'down'}
    names = {score.name for score in recognize(model, video, ['a', 'b'])}
    assert names == {'a', 'b'}
    with pytest.raises(ValueError, match='2 classes of the model, got 3'):
        recognize(model, video, ['a', 'b', 'c'])


@pytest.fixture
def videos(tmp_path):
    """Five videos, each brighter than the one before it."""
    paths = [str(tmp_path / f'{number}.mp4') for number in range(5)]
    for number, path in enumerate(paths):
        frames = [np.full((96, 128, 3), 40 * number + 20, np.uint8)] * 12
        write_video(path, frames)
    return paths


def test_videos_are_recognised_when_their_turn_comes(videos):
    model = init_model(make_config(), device='cpu')
    expected = [recognize(model, video) for video in videos]
    assert len({scores[0].score for scores in expected}) == 5
    asked = []

    def ask():
        for video in videos:
            asked.append(video)
            yield Path(video)

    streamed = recognize(model, ask())
    assert asked == []
    assert next(streamed) == expected[0]
    assert asked == videos[:1]
    assert list(streamed) == expected[1:]
    assert list(recognize(model, [])) == []


def test_what_cannot_be_read_is_named_and_the_next_one_follows(videos):
    model = init_model(make_config(), device='cpu')
    Path(videos[1]).write_bytes(b'not a video')
    for function in recognize, extract_features:
        streamed = function(model, videos[:3])
        next(streamed)
        with pytest.raises(ValueError, match=f'^{videos[1]}: '):
            next(streamed)
        (last,) = streamed
        alone = function(model, videos[2])
        assert last == alone if function is recognize else last.equal(alone)


@pytest.mark.parametrize('max_testing_views', [None, 1])
def test_features_are_those_of_each_view(videos, max_testing_views):
    options = {'model.test_cfg': dict(max_testing_views=max_testing_views)}
    model = init_model(make_config(), device='cpu', cfg_options=options)
    backbone = find_backbone(model)
    for out_type in ('cls_token', 'featmap'):
        backbone.out_type = out_type
        for video, features in zip(videos, extract_features(model, videos)):
            views = [read_clip(model, video, view).inputs for view in (0, 1)]
            with torch.no_grad():
                expected = torch.cat([backbone(view) for view in views])
            torch.testing.assert_close(features, expected)


def test_features_need_the_pipeline_of_a_recognizer(videos):
    model = init_model(make_config(), device='cpu')
    with pytest.raises(ValueError, match='got its backbone alone'):
        extract_features(find_backbone(model), videos)
    with pytest.raises(ValueError, match='expected a model with a VideoMamba'):
        extract_features(nn.Linear(2, 2), videos)


def test_memory_does_not_grow_with_the_videos(videos):
    model = init_model(make_config(), device='cpu')
    streamed = extract_features(model, itertools.cycle(videos))
    for _ in range(10):
        next(streamed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(50):
        next(streamed)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # The clips of 50 videos would take 20 MB; ru_maxrss is in KB.
    assert grown < 10_000
