"""Settings that only an evaluation meets end a run before its first step."""

import copy

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmvideomamba.datasets.motion_shapes import write_motion_shapes

ACCURACY = dict(type='AccMetric')
AVERAGE_PRECISION = dict(
    type='AccMetric', metric_list='mean_average_precision'
)
MATRIX = dict(type='ConfusionMatrix')
SEVERAL = dict(multi_class=True, num_classes=8)


class NoStep(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        raise AssertionError('the training has begun')


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('motion_shapes')
    write_motion_shapes(str(root), 2, 0, num_frames=4, size=64)
    return root


@pytest.fixture
def run(data_root, tmp_path):
    """Train one epoch, with changes of a config that is sound."""
    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=2, frame_interval=1),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(32, 32), keep_ratio=False),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]

    def run(
        head=None,
        dataset=None,
        evaluator=ACCURACY,
        test=False,
        batch_size=2,
        test_cfg=None,
        save_best='auto',
        hooks=(),
        takes_steps=True,
        options=None,
        **others,
    ):
        loader = dict(
            batch_size=batch_size,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(
                type='CheckedVideoDataset',
                data_prefix=dict(video=str(data_root / 'videos')),
                pipeline=pipeline,
                **{
                    'ann_file': str(data_root / 'train_list.txt'),
                    **(dataset or {}),
                },
            ),
        )
        name = 'test' if test else 'val'
        config = {
            'default_scope': 'mmaction',
            'work_dir': str(tmp_path / 'work'),
            'experiment_name': tmp_path.name,
            'log_level': 'ERROR',
            'model': dict(
                type='Recognizer3D',
                backbone=dict(
                    type='VideoMamba',
                    arch=dict(embed_dims=16, num_layers=1),
                    img_size=32,
                    num_frames=2,
                    out_type='featmap',
                ),
                cls_head=dict(
                    dict(type='VideoMambaHead', num_classes=8, in_channels=16),
                    **(head or {}),
                ),
                data_preprocessor=dict(
                    type='ActionDataPreprocessor', format_shape='NCTHW'
                ),
                test_cfg=test_cfg,
            ),
            f'{name}_dataloader': copy.deepcopy(loader),
            f'{name}_evaluator': copy.deepcopy(evaluator),
            f'{name}_cfg': dict(),
            'default_hooks': dict(
                checkpoint=dict(type='CheckpointHook', save_best=save_best)
            ),
            'custom_hooks': [
                dict(type='CheckLabelsHook'),
                dict(type='CheckEvaluationHook'),
                *hooks,
            ],
            **others,
        }
        if not test:
            config.update(
                train_dataloader=loader,
                train_cfg=dict(by_epoch=True, max_epochs=1),
                optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            )
        config = Config(config)
        config.merge_from_dict(options or {})
        runner = Runner.from_cfg(config)
        if not takes_steps:
            runner.register_hook(NoStep())
        return runner.test() if test else runner.train()

    return run


@pytest.mark.parametrize(
    'message, changes',
    [
        (
            "'probs', expected",
            dict(head=dict(average_clips='probs')),
        ),
        (
            "average_clips is None.*AccMetric needs.*average_clips='prob'",
            dict(head=dict(average_clips=None)),
        ),
        # mmaction2's own heads have None where nothing is said.
        ('average_clips is None', dict(head=dict(type='I3DHead'))),
        (
            "'probs', expected",
            dict(head=dict(type='I3DHead', average_clips='probs')),
        ),
        (
            'max_testing_views=4 .* got val_dataloader.batch_size=2',
            dict(test_cfg=dict(max_testing_views=4)),
        ),
        (
            "save_best='auto' goes by confusion_matrix/result.* no number",
            dict(evaluator=MATRIX),
        ),
        (
            "save_best='auto' goes by confusion.* gives acc/top1, acc/top5",
            dict(evaluator=[MATRIX, ACCURACY]),
        ),
        (
            "save_best='acc/top1' .* gives acc/mean1",
            dict(
                save_best='acc/top1',
                evaluator=dict(ACCURACY, metric_list='mean_class_accuracy'),
            ),
        ),
        (
            'EarlyStoppingHook goes by acc/top3',
            dict(
                hooks=[
                    dict(
                        type='EarlyStoppingHook',
                        monitor='acc/top3',
                        strict=True,
                    )
                ]
            ),
        ),
        (
            'ReduceOnPlateauLR goes by loss',
            dict(param_scheduler=[dict(type='ReduceOnPlateauLR')]),
        ),
        (
            'measures mean_average_precision, but the videos have one label',
            dict(evaluator=AVERAGE_PRECISION),
        ),
        (
            'measures top_k_accuracy, but the videos have several labels',
            dict(head=dict(multi_class=True), dataset=SEVERAL),
        ),
        (
            'measures ConfusionMatrix, but the videos have several labels',
            dict(
                head=dict(multi_class=True),
                dataset=SEVERAL,
                evaluator=[AVERAGE_PRECISION, MATRIX],
            ),
        ),
        # The labels and the head.
        (
            'have several labels, but the head has multi_class=False',
            dict(dataset=SEVERAL, evaluator=AVERAGE_PRECISION),
        ),
        (
            'have one label, but the head has multi_class=True',
            dict(head=dict(multi_class=True), evaluator=AVERAGE_PRECISION),
        ),
        (
            'have num_classes=8, but model.cls_head.num_classes=7',
            dict(head=dict(multi_class=True, num_classes=7), dataset=SEVERAL),
        ),
        (
            'multi_class=True and CrossEntropyLoss.*BCELossWithLogits',
            dict(
                head=dict(
                    type='I3DHead', multi_class=True, average_clips='prob'
                ),
                dataset=SEVERAL,
                evaluator=AVERAGE_PRECISION,
            ),
        ),
    ],
)
def test_the_run_ends_before_its_first_step(run, message, changes):
    with pytest.raises(ValueError, match=message):
        run(**changes, takes_steps=False)


@pytest.mark.parametrize(
    'message, changes',
    [
        ('average_clips is None', dict(head=dict(average_clips=None))),
        (
            'got test_dataloader.batch_size=2',
            dict(test_cfg=dict(max_testing_views=4)),
        ),
        ('one label', dict(evaluator=AVERAGE_PRECISION)),
    ],
)
def test_a_test_ends_before_it_begins(run, message, changes):
    with pytest.raises(ValueError, match=message):
        run(test=True, **changes)


def test_a_metric_that_does_not_exist_is_named(run):
    typo = dict(ACCURACY, metric_list=('top_k_acuracy',))
    message = r"of top_k_accuracy, .*, got \('top_k_acuracy',\)"
    with pytest.raises(ValueError, match=message):
        run(evaluator=typo, takes_steps=False)


@pytest.mark.parametrize('test', [False, True])
@pytest.mark.parametrize(
    'text, message, changes',
    [
        ('{0} 1\n{1}\n', '1 of the 2 videos .*list.txt have no label', {}),
        ('{0}\n{1}\n', '2 of the 2 videos', dict(evaluator=MATRIX)),
        (
            '{0}\n{1}\n',
            '2 of the 2 videos',
            dict(
                head=dict(multi_class=True),
                dataset=SEVERAL,
                evaluator=AVERAGE_PRECISION,
            ),
        ),
    ],
)
def test_what_is_measured_has_labels(
    run, data_root, tmp_path, test, text, message, changes
):
    videos = (data_root / 'train_list.txt').read_text().split()[::2]
    (tmp_path / 'list.txt').write_text(text.format(*videos))
    dataset = dict(
        changes.get('dataset', {}),
        ann_file=str(tmp_path / 'list.txt'),
        test_mode=True,
    )
    if not test:
        loader = 'val_dataloader.dataset'
        options = {f'{loader}.{k}': v for k, v in dataset.items()}
        dataset = changes.get('dataset', {})
        changes = dict(changes, options=options, save_best=None)
    with pytest.raises(ValueError, match=message):
        run(**{**changes, 'dataset': dataset}, test=test, takes_steps=False)


def test_videos_without_labels_are_predicted(run, data_root, tmp_path):
    video = (data_root / 'train_list.txt').read_text().split()[0]
    (tmp_path / 'list.txt').write_text(video)
    unlabelled = dict(ann_file=str(tmp_path / 'list.txt'), test_mode=True)
    dump = dict(type='DumpResults', out_file_path=str(tmp_path / 'all.pkl'))
    run(test=True, dataset=unlabelled, evaluator=dump)
    assert (tmp_path / 'all.pkl').exists()


@pytest.mark.parametrize('views', [0, -1, 1.5])
def test_the_views_at_a_time_are_a_number(run, views):
    with pytest.raises(ValueError, match=f'at least 1, or None, got {views}'):
        run(test=True, batch_size=1, test_cfg=dict(max_testing_views=views))


def test_what_works_is_let_through(run, tmp_path):
    # The best checkpoint goes by the first metric; a matrix may follow.
    run(evaluator=[ACCURACY, MATRIX])
    assert any('best_acc_top1' in p.name for p in tmp_path.glob('work/*.pth'))


def test_a_lone_matrix_is_fine_in_a_test(run):
    assert (
        run(test=True, evaluator=MATRIX)['confusion_matrix/result'].sum() == 2
    )


def test_scores_of_every_view_can_be_written(run, tmp_path):
    dump = dict(type='DumpResults', out_file_path=str(tmp_path / 'all.pkl'))
    run(test=True, head=dict(average_clips=None), evaluator=dump)
    assert (tmp_path / 'all.pkl').exists()


def test_one_video_at_a_time_may_have_bounded_views(run):
    options = dict(test=True, test_cfg=dict(max_testing_views=4))
    assert 'acc/top1' in run(batch_size=1, **options)
