"""Data sets inside their wrappers, steps around the one that decodes."""

import pytest
from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset

from mmvideomamba.datasets.pipelines import (
    find_dataset,
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


@pytest.mark.parametrize('config', [dict(), dict(test_dataloader=None)])
def test_a_dataloader_that_is_not_there_is_named(config):
    with pytest.raises(ValueError, match='config has no test_dataloader'):
        find_dataset(Config(config), 'test_dataloader')


def test_a_pipeline_is_split_where_it_decodes():
    kinds = 'PyAVInit', 'SampleFrames', 'PyAVDecode', 'Flip', 'FormatShape'
    steps = [dict(type=kind) for kind in kinds]
    before, decode, after = split_at_decoding(steps)
    assert (before, decode, after) == (steps[:2], steps[2], steps[3:])


def test_a_pipeline_without_decoding_is_refused():
    with pytest.raises(ValueError, match=r"decodes no video: .*\['Flip'\]"):
        split_at_decoding([dict(type='Flip')])
