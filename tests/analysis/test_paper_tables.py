"""The tables are whole, and every config they name is there."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmvideomamba.analysis.ablations import ABLATIONS, changed
from mmvideomamba.analysis.paper_tables import TABLES

CONFIGS = Path(__file__).parents[2] / 'configs/recognition/videomamba'
RESULTS = {
    (result.config, table.ablation, result.row): result
    for table in TABLES.values()
    for _, results in table.rows
    for result in results
    if result.config
}
CHANGED = [key for key in RESULTS if key[2]]


@pytest.mark.parametrize('number', TABLES)
def test_every_row_fills_its_columns(number):
    table = TABLES[number]
    for description, results in table.rows:
        assert len(description) == len(table.columns)
        assert len(results) == len(table.results)
        for result in results:
            assert result.published is None or 0 < result.published < 100


def test_tables_of_other_models_stay_as_printed():
    description, results = TABLES[9].rows[7]
    assert description == (
        *('VideoMAE, ViT-S', '-', '16'),
        *('5x3', '57', '22.0'),
    )
    assert [result.published for result in results] == [79.0, 93.8]
    assert [r.metric for r in results] == ['acc/top1', 'acc/top5']
    assert not results[0].config and not results[0].name
    assert TABLES[8].rows[4][1][1].published is None


def test_every_config_of_a_table_exists():
    there = {path.stem for path in CONFIGS.glob('*.py')}
    assert {config for config, _, _ in RESULTS} <= there
    names = {result.name for result in RESULTS.values()}
    assert names - there == {RESULTS[key].name for key in CHANGED}
    # Tables 2 to 4: three reversals and five positions on two data sets,
    # three trainings on one.
    assert len(CHANGED) == 3 * 2 + 5 * 2 + 3


@pytest.mark.parametrize(
    'key', CHANGED, ids=[RESULTS[key].name for key in CHANGED]
)
def test_an_ablation_changes_model_or_training_alone(key):
    name, ablation, row = key
    base = Config.fromfile(CONFIGS / f'{name}.py')
    config = changed(base, ABLATIONS[ablation].rows[row])
    for name in ('val_dataloader', 'test_dataloader', 'param_scheduler'):
        assert config[name] == base[name]
    assert config.optim_wrapper == base.optim_wrapper
    assert config.model.backbone.init_cfg == base.model.backbone.init_cfg
    changes = {
        key
        for part in ('backbone', 'cls_head')
        for key in {*config.model[part], *base.model[part]}
        if config.model[part].get(key, '') != base.model[part].get(key, '')
    }
    assert changes in (
        {'scan_orders', 'cls_token_position'},
        {'pos_embed'},
        {'pos_embed_init'},
        {'label_smooth_eps'},
    )
