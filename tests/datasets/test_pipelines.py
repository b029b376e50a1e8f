"""Data sets inside their wrappers, steps around the one that decodes."""

import pytest
import torch
from mmaction.datasets.transforms import DecordDecode, DecordInit
from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset

from mmvideomamba.datasets.pipelines import (
    find_class_names,
    find_dataset,
    find_datasets,
    leaf_datasets,
    split_at_decoding,
)


def test_wrappers_are_opened_however_deep():
    first, second = (BaseDataset(lazy_init=True) for _ in range(2))
    repeated = RepeatDataset(first, 2, lazy_init=True)
    assert list(leaf_datasets(repeated)) == [first]
    # As from configs; their constructors take no wrappers that are built.
    repeated.dataset = ConcatDataset([first, second], lazy_init=True)
    assert list(leaf_datasets(repeated)) == [first, second]
    assert list(leaf_datasets(first)) == [first]


def test_configs_of_wrappers_are_opened_alike():
    first, second = dict(type='A'), dict(type='B')
    repeated = dict(type='RepeatDataset', times=2, dataset=second)
    both = dict(type='ConcatDataset', datasets=[first, repeated])
    config = Config(dict(val_dataloader=dict(dataset=both)))
    leaves = list(leaf_datasets(config.val_dataloader.dataset))
    assert leaves == [first, second]
    assert all(isinstance(leaf, ConfigDict) for leaf in leaves)
    assert find_dataset(config, 'val_dataloader') == first
    assert find_datasets(config, 'val_dataloader') == [first, second]
    # Before mmengine makes a Config of it.
    assert list(leaf_datasets(both)) == [first, second]


def test_an_argument_of_the_name_is_no_wrapper():
    leaf = dict(type='A', dataset='kinetics')
    assert list(leaf_datasets(leaf)) == [leaf]


class DatasetWithClasses(BaseDataset):
    METAINFO = dict(classes=('a', 'b'))


@pytest.mark.parametrize('times', range(3))
def test_classes_are_named_in_wrappers(times, tmp_path):
    (tmp_path / 'names.txt').write_text('\ufeffбег\nшаг\n', encoding='utf-8')
    names = ['бег', 'шаг']
    for metainfo in (names, str(tmp_path / 'names.txt')):
        silent = ConfigDict(type='VideoDataset')
        dataset = ConfigDict(type='A', metainfo=dict(classes=metainfo))
        for _ in range(times):
            both = dict(type='ConcatDataset', datasets=[silent, dataset])
            dataset = ConfigDict(type='RepeatDataset', dataset=both)
        assert find_class_names(dataset) == names
    assert find_class_names(silent) is None

    dataset = DatasetWithClasses(lazy_init=True)
    for _ in range(times):
        # No metainfo of its own, unlike mmengine's wrappers.
        dataset = torch.utils.data.Subset(dataset, [])
    assert find_class_names(dataset) == ['a', 'b']


def test_classes_may_be_named_by_the_type():
    config = ConfigDict(type=DatasetWithClasses)
    assert find_class_names(config) == ['a', 'b']


@pytest.mark.parametrize('datasets', [[], None])
def test_a_dataloader_without_data_is_named(datasets):
    empty = datasets
    if datasets is not None:
        empty = dict(type='ConcatDataset', datasets=datasets)
    config = Config(dict(val_dataloader=dict(batch_size=1, dataset=empty)))
    with pytest.raises(ValueError, match='val_dataloader of .* no dataset'):
        find_dataset(config, 'val_dataloader')


@pytest.mark.parametrize('config', [dict(), dict(test_dataloader=None)])
def test_a_dataloader_that_is_not_there_is_named(config):
    with pytest.raises(ValueError, match='config has no test_dataloader'):
        find_dataset(Config(config), 'test_dataloader')


def test_a_pipeline_is_split_where_it_decodes():
    kinds = 'PyAVInit', 'SampleFrames', 'PyAVDecode', 'Flip', 'FormatShape'
    steps = [dict(type=kind) for kind in kinds]
    before, decode, after = split_at_decoding(steps)
    assert (before, decode, after) == (steps[:2], steps[2], steps[3:])


def test_types_may_be_classes():
    steps = [dict(type=DecordInit), dict(type=DecordDecode)]
    assert split_at_decoding(steps) == (steps[:1], steps[1], [])


def test_a_pipeline_without_decoding_is_refused():
    with pytest.raises(ValueError, match=r"decodes no video: .*\['Flip'\]"):
        split_at_decoding([dict(type='Flip')])
