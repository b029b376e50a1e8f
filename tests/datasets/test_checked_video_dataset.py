"""List files are checked before anything is trained."""

import av
import numpy as np
import pytest
from mmengine.dataset import Compose
from torch.utils.data import DataLoader
from video_files import write_frames, write_sound

from mmvideomamba.registry import DATASETS
from mmvideomamba.video import write_video


@pytest.fixture
def build(tmp_path):
    for name in ('a', 'b', 'b c', 'c'):
        (tmp_path / f'{name}.mp4').touch()

    def build(text, kind='CheckedVideoDataset', pipeline=(), **kwargs):
        ann_file = tmp_path / 'list.txt'
        if text is not None:
            ann_file.write_text(text)
        return DATASETS.build(
            dict(
                type=kind,
                ann_file=str(ann_file),
                data_prefix=dict(video=str(tmp_path)),
                pipeline=list(pipeline),
                **kwargs,
            )
        )

    return build


def test_a_sound_list_is_read(build, tmp_path):
    dataset = build('a.mp4 1\nb.mp4 0\n', num_classes=2)
    assert [dataset.get_data_info(i)['label'] for i in range(2)] == [1, 0]
    assert dataset.get_data_info(0)['filename'] == str(tmp_path / 'a.mp4')


def test_names_with_spaces_take_another_delimiter(build, tmp_path):
    dataset = build('b c.mp4;3\n', delimiter=';')
    assert dataset.get_data_info(0)['filename'] == str(tmp_path / 'b c.mp4')


@pytest.mark.parametrize(
    'text, error, message',
    [
        (None, FileNotFoundError, r'no list file .*list.txt'),
        ('', ValueError, r'list.txt is empty'),
        ('a.mp4 0\nb c.mp4 1\n', ValueError, r"line 2: .* got 'b c.mp4 1'"),
        ('a.mp4 0\n\n', ValueError, r"line 2: .* got ''"),
        ('a.mp4\n', ValueError, r"line 1: .* got 'a.mp4'"),
        ('a.mp4 \u00b2\n', ValueError, r'line 1: .* got'),
        ('a.mp4 cat\n', ValueError, r"line 1: .* got 'a.mp4 cat'"),
        (
            'a.mp4 0\nb.mp4 5\n',
            ValueError,
            r'list.txt has label 5 for b.mp4, but num_classes=5 allows 0 to 4',
        ),
        (
            'a.mp4 0\nmissing.mp4 0\nlost.mp4 0\n',
            FileNotFoundError,
            r'2 of the 3 videos .* first is .*missing.mp4',
        ),
    ],
)
def test_what_is_wrong_is_said(build, text, error, message):
    with pytest.raises(error, match=message):
        build(text, num_classes=5)
    kinds = 'DecordInit', 'SampleFrames', 'DecordDecode'
    options = {'SampleFrames': dict(clip_len=1)}
    repeated = dict(
        kind='CheckedRepeatAugDataset',
        pipeline=[dict(type=k, **options.get(k, {})) for k in kinds],
    )
    with pytest.raises(error, match=message):
        build(text, num_classes=5, **repeated)


def test_repeats_of_a_checked_list(build, tmp_path):
    frames = [np.full((64, 64, 3), level, np.uint8) for level in range(8)]
    write_video(str(tmp_path / 'a.mp4'), frames)
    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=2),
        dict(type='DecordDecode'),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]
    dataset = build(
        'a.mp4 3\n', 'CheckedRepeatAugDataset', pipeline, num_repeats=3
    )
    assert [sample['inputs'].shape for sample in dataset[0]] == [
        (1, 3, 2, 64, 64)
    ] * 3
    labels = {sample['data_samples'].gt_label.item() for sample in dataset[0]}
    assert labels == {3}


def test_labels_of_several_classes_fit_too(build):
    with pytest.raises(
        ValueError, match=r'label 9 for a.mp4, but num_classes=4'
    ):
        build('a.mp4 1 9\n', num_classes=4, multi_class=True)


def test_a_video_has_any_number_of_several_labels(build):
    text = 'a.mp4 0 3\nb.mp4\nc.mp4 1\n'
    dataset = build(text, num_classes=4, multi_class=True)
    labels = [dataset.get_data_info(i)['label'].tolist() for i in range(3)]
    assert labels == [[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]]
    with pytest.raises(ValueError, match='set multi_class=True of dataset'):
        build(text, num_classes=4)


@pytest.mark.parametrize('kind', ['CheckedVideoDataset', 'VideoDataset'])
@pytest.mark.parametrize('wrapper', [None, 'ConcatDataset', 'RepeatDataset'])
def test_rare_classes_are_repeated(build, wrapper, kind):
    def repeats(text, **kwargs):
        dataset = build(text, kind, num_classes=4, **kwargs)
        if wrapper == 'ConcatDataset':
            dataset = dict(type=wrapper, datasets=[dataset])
        elif wrapper == 'RepeatDataset':
            dataset = dict(type=wrapper, dataset=dataset, times=1)
        balanced = DATASETS.build(
            dict(
                type='ClassBalancedDataset',
                dataset=dataset,
                oversample_thr=0.5,
            )
        )
        return [balanced.repeat_indices.count(i) for i in range(8)]

    # One in eight is wanted sqrt(0.5 / 0.125) = 2 times.
    common = 'a.mp4 0\n' * 7
    assert repeats(common + 'b.mp4 1\n') == [1] * 7 + [2]
    several = 'a.mp4 0 2\n' * 5 + 'b.mp4 0 3\n' + 'c.mp4\n' * 2
    assert repeats(several, multi_class=True) == [1] * 5 + [2] + [1] * 2


def test_a_list_to_predict_needs_no_labels(build):
    dataset = build('a.mp4\n', test_mode=True)
    assert dataset.get_data_info(0)['label'] == -1


def test_labels_of_several_classes_need_their_number(build):
    with pytest.raises(ValueError, match='multi_class=True needs num_classes'):
        build('a.mp4 1 3\n', multi_class=True)


def test_a_video_without_frames_is_named(build, tmp_path):
    with av.open(str(tmp_path / 'a.avi'), 'w') as container:
        stream = container.add_stream('mpeg4', rate=24)
        stream.width = stream.height = 64
        container.start_encoding()
    dataset = build('a.avi 0\n')
    dataset.pipeline = Compose(
        [
            dict(type='OpenCVInit'),
            dict(type='UniformSample', clip_len=8, test_mode=True),
            dict(type='OpenCVDecode'),
        ]
    )
    with pytest.raises(
        ValueError, match=r'line 1: .*a\.avi: the video has no frames'
    ):
        dataset[0]


def test_names_of_known_classes_are_labels(build):
    classes = ['eat', 'sleep']
    dataset = build('a.mp4 sleep\n', metainfo=dict(classes=classes))
    assert dataset.get_data_info(0)['label'] == 1


def test_a_folder_is_no_video(build, tmp_path):
    (tmp_path / 'folder.mp4').mkdir()
    with pytest.raises(FileNotFoundError, match=r'are no files.*folder\.mp4'):
        build('a.mp4 0\nfolder.mp4 0\n')


def test_an_address_is_no_file_of_the_disk(build):
    text = 's3://bucket/a.mp4 0\n'
    assert len(build(text)) == 1
    with pytest.raises(FileNotFoundError, match='do not exist.*s3:'):
        build(text, pipeline=[dict(type='DecordInit')])


def test_names_may_leave_out_mp4(build):
    assert len(build('a 0\nb 1\n')) == 2
    with pytest.raises(FileNotFoundError, match='do not exist.*/d. Check'):
        build('d 0\n')


READ = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=2, test_mode=True),
    dict(type='DecordDecode'),
]


@pytest.fixture
def some_bad(build, tmp_path):
    """Builds a data set of which videos 1, 2 and 5 of 6 cannot be read."""
    for number in range(6):
        write_frames(tmp_path / f'{number}.mp4')
    write_sound(tmp_path / '1.mp4')
    whole = (tmp_path / '2.mp4').read_bytes()
    (tmp_path / '2.mp4').write_bytes(whole[: len(whole) // 2])
    (tmp_path / '5.mp4').write_bytes(b'')

    def build_some_bad(**kwargs):
        text = ''.join(f'{number}.mp4 {number}\n' for number in range(6))
        dataset = build(text, **kwargs)
        dataset.pipeline = Compose(READ)
        return dataset

    return build_some_bad


def test_what_cannot_be_read_is_named_with_list_and_line(some_bad):
    dataset = some_bad()
    assert dataset[0]['label'] == 0
    for number, reason in ((1, 'no video stream'), (5, 'file is empty')):
        message = (
            rf'list\.txt, line {number + 1}: .*/{number}\.mp4: .*{reason}'
            r".*on_error='skip'"
        )
        with pytest.raises(ValueError, match=message) as error:
            dataset[number]
        assert str(error.value).count('.mp4') == 1


@pytest.mark.parametrize('num_workers', [0, 2])
def test_what_is_skipped_is_replaced_by_the_next(some_bad, num_workers):
    dataset = some_bad(on_error='skip', max_skipped=0.5)
    loader = DataLoader(
        dataset,
        batch_size=None,
        num_workers=num_workers,
        collate_fn=lambda data: data['label'],
    )
    assert list(loader) == [0, 3, 3, 3, 4, 0]
    # Marked in this process too, wherever they were read.
    assert dataset.skipped.nonzero()[:, 0].tolist() == [1, 2, 5]
    assert dataset.name_sample(5).endswith('5.mp4')


def test_more_than_the_limit_stop_the_run(some_bad):
    dataset = some_bad(on_error='skip', max_skipped=0.4)
    assert dataset[1]['label'] == 3
    message = (
        r'3 of the 6 videos of .*list\.txt cannot be read, more than '
        r'max_skipped=0\.4 allows.*check_videos\.py.*the file is empty'
    )
    with pytest.raises(ValueError, match=message):
        dataset[5]


def test_a_list_of_which_nothing_can_be_read(some_bad, tmp_path):
    for number in range(6):
        (tmp_path / f'{number}.mp4').write_bytes(b'')
    dataset = some_bad(on_error='skip', max_skipped=1)
    with pytest.raises(ValueError, match='no video of .*list.txt can be read'):
        dataset[0]


def test_faults_of_the_program_are_not_skipped(some_bad):
    dataset = some_bad(on_error='skip')

    def fault(results):
        raise ValueError('in an augmentation')

    dataset.pipeline.transforms.append(fault)
    with pytest.raises(ValueError, match='^in an augmentation$'):
        dataset[0]
    assert not dataset.skipped.any()


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(on_error='ignore'), "unknown on_error 'ignore'"),
        (dict(max_skipped=2), 'a share, from 0 to 1, got 2'),
        (dict(on_error='skip', test_mode=True), 'is for training'),
    ],
)
def test_settings_that_cannot_be(build, options, message):
    with pytest.raises(ValueError, match=message):
        build('a.mp4 0\n', **options)
