"""Runner parts, driven by the real runner where that is quick."""

import copy
import multiprocessing
import shutil
from types import SimpleNamespace

import decord
import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.runner import Runner
from small_models import small_recognizer

from mmvideomamba.datasets.motion_shapes import CLASSES, write_motion_shapes
from mmvideomamba.models import VideoMamba, VideoMambaHead
from mmvideomamba.registry import DATASETS, HOOKS, OPTIM_WRAPPERS


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('motion_shapes')
    write_motion_shapes(str(root), 8, 4, num_frames=8, size=64)
    return root


@pytest.fixture
def config(data_root, tmp_path):
    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=4, frame_interval=1, num_clips=2),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(32, 32), keep_ratio=False),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]
    dataloader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type='CheckedVideoDataset',
            ann_file=str(data_root / 'test_list.txt'),
            data_prefix=dict(video=str(data_root / 'videos')),
            metainfo=dict(classes=CLASSES),
            pipeline=pipeline,
            test_mode=True,
        ),
    )
    return dict(
        default_scope='mmaction',
        work_dir=str(tmp_path / 'work'),
        experiment_name=tmp_path.name,
        model=small_recognizer(),
        test_dataloader=dataloader,
        test_evaluator=dict(type='AccMetric'),
        test_cfg=dict(),
    )


def test_labels_beyond_the_head_stop_the_run_before_it_starts(config):
    config = dict(config, custom_hooks=[dict(type='CheckLabelsHook')])
    Runner.from_cfg(copy.deepcopy(config)).test()
    config['model']['cls_head'].update(num_classes=3, topk=1)
    config['experiment_name'] += '_bad'
    runner = Runner.from_cfg(config)
    with pytest.raises(
        ValueError,
        match=r'label 3 for .*0003.mp4, but model.cls_head.num_classes=3',
    ):
        runner.test()


@pytest.mark.parametrize('num_workers', [0, 2])
def test_skipped_videos_are_reported_each_epoch(
    config, data_root, tmp_path, num_workers
):
    ann_file = tmp_path / 'train.txt'
    names = [f'{CLASSES[n]}/test_{n:05d}.mp4' for n in range(4)]
    for name in names:
        (tmp_path / name).parent.mkdir()
        shutil.copy(data_root / 'videos' / name, tmp_path / name)
    (tmp_path / names[2]).write_bytes(b'')
    ann_file.write_text(''.join(f'{name} 0\n' for name in names))
    config['test_dataloader']['dataset'].update(
        ann_file=str(ann_file),
        data_prefix=dict(video=str(tmp_path)),
        test_mode=False,
        on_error='skip',
        max_skipped=0.3,
    )
    loader = config.pop('test_dataloader')
    # One clip a sample, as in training.
    loader['dataset']['pipeline'][1]['num_clips'] = 1
    loader.update(
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        dataset=dict(type='RepeatDataset', dataset=loader['dataset'], times=2),
    )
    del config['test_evaluator'], config['test_cfg']
    config.update(
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=[dict(type='ReportSkippedHook')],
    )
    runner = Runner.from_cfg(config)
    runner.train()
    assert not multiprocessing.active_children()
    (log,) = (tmp_path / 'work').glob('*/*.log')
    said = log.read_text().splitlines()
    for epoch in (1, 2):
        (place,) = (
            number
            for number, line in enumerate(said)
            if f'epoch {epoch}: skipped 1 of 4 videos' in line
        )
        line = f'{ann_file}, line 3: {tmp_path / names[2]}'
        assert said[place + 1].strip() == line
    # Where it was met, with the reason; the log leaves out repeats.
    assert any('the file is empty' in line for line in said)


@pytest.mark.parametrize('loop', ['train', 'val'])
def test_labels_of_every_loop_are_checked(loop, config, tmp_path):
    video = 'move_left/test_00000.mp4'
    for name in ('train', 'val'):
        ann_file = tmp_path / f'{name}.txt'
        ann_file.write_text(f'{video} {9 if name == loop else 0}\n')
        dataloader = copy.deepcopy(config['test_dataloader'])
        dataloader['dataset']['ann_file'] = str(ann_file)
        config[f'{name}_dataloader'] = dataloader
    config.update(
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        val_evaluator=dict(type='AccMetric'),
        val_cfg=dict(),
        custom_hooks=[dict(type='CheckLabelsHook')],
    )
    runner = Runner.from_cfg(config)
    with pytest.raises(
        ValueError, match=f'{loop}.txt has label 9 for .*{video}'
    ):
        runner.train()


def wrapped(dataset):
    """The config of a data set in three wrappers."""
    repeated = dict(type='RepeatDataset', times=2, dataset=dataset)
    both = dict(type='ConcatDataset', datasets=[repeated, dataset])
    return dict(type='RepeatDataset', times=1, dataset=both)


def check_labels(dataset, multi_class=False):
    """Run the hook for a head of eight classes, as a test does."""
    loader = torch.utils.data.DataLoader(DATASETS.build(dataset))
    head = VideoMambaHead(8, 4, multi_class=multi_class)
    runner = SimpleNamespace(
        model=SimpleNamespace(cls_head=head),
        _train_loop=None,
        _val_loop=dict(),
        _test_loop=SimpleNamespace(dataloader=loader),
    )
    HOOKS.build(dict(type='CheckLabelsHook')).before_run(runner)


@pytest.fixture
def dataset(config, tmp_path):
    """The config of a data set, with a list of its own to write."""
    (tmp_path / 'list.txt').write_text('move_left/test_00000.mp4 7\n')
    dataset = config['test_dataloader']['dataset']
    return dict(dataset, ann_file=str(tmp_path / 'list.txt'))


def test_wrappers_are_looked_into(dataset, tmp_path):
    check_labels(wrapped(dataset))
    (tmp_path / 'list.txt').write_text('move_left/test_00000.mp4 9\n')
    message = 'list.txt has label 9 for .*0.mp4, but .*num_classes=8 allows'
    with pytest.raises(ValueError, match=message):
        check_labels(wrapped(dataset))


def test_several_labels_are_looked_into_in_wrappers(dataset, tmp_path):
    (tmp_path / 'list.txt').write_text('move_left/test_00000.mp4 0 3\n')
    dataset = wrapped(dict(dataset, multi_class=True, num_classes=8))
    check_labels(dataset, multi_class=True)
    with pytest.raises(ValueError, match='several labels, but the head'):
        check_labels(dataset)


@pytest.mark.parametrize('kind', ['VideoDataset', 'RepeatAugDataset'])
@pytest.mark.parametrize('wrap', [dict, wrapped])
def test_videos_of_unchecked_data_sets_are_looked_for(
    kind, wrap, dataset, tmp_path
):
    (tmp_path / 'list.txt').write_text('gone.mp4 0\n')
    dataset.pop('test_mode')
    message = '1 of the 1 videos .*list.txt .*gone.mp4'
    with pytest.raises(FileNotFoundError, match=message):
        check_labels(wrap(dict(dataset, type=kind)))


def test_classes_of_wrapped_data_sets_are_drawn(tmp_path):
    sample = ActionDataSample().set_pred_score(torch.full((8,), 1 / 8))
    sample.set_gt_label(2)
    leaf = SimpleNamespace(metainfo=dict(classes=CLASSES))
    videos = []
    for number, dataset in enumerate(
        [leaf, torch.utils.data.Subset(leaf, [0]), SimpleNamespace()]
    ):
        out = tmp_path / str(number)
        hook = HOOKS.build(
            dict(type='PredictionVideoHook', enable=True, out_dir=str(out))
        )
        loader = SimpleNamespace(dataset=dataset, batch_size=1)
        runner = SimpleNamespace(
            model=torch.nn.Identity(),
            test_dataloader=loader,
            rank=0,
            world_size=1,
        )
        clips = [torch.zeros(1, 3, 2, 32, 32)]
        hook.after_test_iter(runner, 0, dict(inputs=clips), [sample])
        video = decord.VideoReader(str(out / '000000.mp4'))
        videos.append(video[0].asnumpy())
    named, in_wrapper, unnamed = videos
    assert np.array_equal(named, in_wrapper)
    assert not np.array_equal(named, unnamed)


def test_predictions_are_written_as_videos(config, tmp_path):
    out = tmp_path / 'shown'
    hook = dict(
        type='PredictionVideoHook', enable=True, interval=3, out_dir=str(out)
    )
    Runner.from_cfg(dict(config, custom_hooks=[hook])).test()
    names = [f'{CLASSES[n]}/test_{n:05d}.mp4' for n in (0, 3)]
    assert videos_in(out) == sorted(out / name for name in names)
    video = decord.VideoReader(str(out / names[1]))
    assert len(video) == 4
    frame = video[0].asnumpy()
    # 32 pixels enlarged to 320, the panel with six lines beneath.
    assert frame.shape[1] == 320 and frame.shape[0] > 320 + 6 * 12
    # Bars and text on the dark panel.
    assert frame[320:].max() > 200 and np.median(frame[320:]) < 60


def videos_in(folder):
    return sorted(folder.rglob('*.mp4'))


@pytest.mark.parametrize('wrong_only', [False, True])
def test_videos_are_named_after_their_files(tmp_path, wrong_only):
    labels = {
        '/a/same.mp4': 2,
        '/b/same.mp4': 1,
        '/b/same.avi': 0,
        '/b/unknown.mp4': -1,
        '/b/c/right.mp4': 2,
    }
    files = list(labels)
    samples = [
        ActionDataSample()
        .set_gt_label(label)
        .set_pred_score(torch.tensor([0.1, 0.2, 0.7]))
        for label in labels.values()
    ]

    class Samples(list):
        def get_data_info(self, index):
            return dict(filename=self[index])

    hook = HOOKS.build(
        dict(
            type='PredictionVideoHook',
            enable=True,
            out_dir=str(tmp_path),
            wrong_only=wrong_only,
        )
    )
    # The second of two processes has the first sample again.
    for rank in range(2):
        runner = SimpleNamespace(
            model=torch.nn.Identity(),
            test_dataloader=SimpleNamespace(
                dataset=Samples(files), batch_size=3
            ),
            rank=rank,
            world_size=2,
        )
        own = (samples + samples[:1])[rank::2]
        clips = [torch.zeros(1, 3, 2, 32, 32)] * 3
        hook.after_test_iter(runner, 0, dict(inputs=clips), own)
    expected = ['b/same.mp4', 'b/same_000002.mp4']
    if not wrong_only:
        expected += ['a/same.mp4', 'b/c/right.mp4', 'b/unknown.mp4']
    assert videos_in(tmp_path) == sorted(tmp_path / n for n in expected)


def test_a_truth_is_drawn_only_where_there_is_one(tmp_path):
    hook = HOOKS.build(
        dict(type='PredictionVideoHook', enable=True, out_dir=str(tmp_path))
    )
    labels = 2, [2], -1, [0, 2], torch.tensor([1.0, 0, 1, 0, 0, 0, 0, 0])
    samples = [
        ActionDataSample()
        .set_gt_label(label)
        .set_pred_score(torch.full((8,), 1 / 8))
        for label in labels
    ]
    dataset = SimpleNamespace(metainfo=dict(classes=CLASSES))
    loader = SimpleNamespace(dataset=dataset, batch_size=len(samples))
    runner = SimpleNamespace(
        model=torch.nn.Identity(),
        test_dataloader=loader,
        rank=0,
        world_size=1,
    )
    clips = [torch.zeros(1, 3, 2, 32, 32)] * len(samples)
    hook.after_test_iter(runner, 0, dict(inputs=clips), samples)
    heights = [
        decord.VideoReader(str(path))[0].shape[0]
        for path in sorted(tmp_path.iterdir())
    ]
    # Each truth is one line more.
    with_truth, without = heights[0], heights[2]
    assert heights[:4] == [with_truth] * 2 + [without] * 2
    # Heights are even.
    line = with_truth - without
    assert line > 2 and abs(heights[4] - with_truth - line) <= 2


def test_a_window_is_refused():
    with pytest.raises(ValueError, match='give --show-dir FOLDER'):
        HOOKS.build(dict(type='PredictionVideoHook', enable=True, show=True))


def test_bf16_wrapper_autocasts_the_forward_pass_and_trains():
    torch.manual_seed(0)
    model = VideoMamba(
        arch=dict(embed_dims=16, num_layers=1),
        img_size=16,
        patch_size=8,
        num_frames=2,
    )
    wrapper = OPTIM_WRAPPERS.build(
        dict(
            type='BF16OptimWrapper',
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        )
    )
    dtypes = []
    model.layers[0].mixer.in_proj.register_forward_hook(
        lambda *args: dtypes.append(args[2].dtype)
    )
    before = copy.deepcopy(model.state_dict())
    with wrapper.optim_context(model):
        loss = model(torch.randn(2, 3, 2, 16, 16)).float().square().mean()
    wrapper.update_params(loss)
    assert dtypes == [torch.bfloat16]
    after = model.state_dict()
    assert after['layers.0.mixer.A_log'].dtype == torch.float32
    assert all(torch.isfinite(t).all() for t in after.values())
    assert not torch.equal(before['norm.weight'], after['norm.weight'])
