"""The tables are whole, and every config they name is there."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmvideomamba.analysis.paper_tables import TABLES

CONFIGS = Path(__file__).parents[2] / 'configs/recognition/videomamba'


@pytest.mark.parametrize('number', TABLES)
def test_every_row_fills_its_columns(number):
    table = TABLES[number]
    for description, results in table.rows:
        assert len(description) == len(table.columns)
        assert len(results) == len(table.results)
        for result in results:
            assert result.published is None or 0 < result.published < 100


def test_every_config_of_a_table_exists():
    results = [r for t in TABLES.values() for _, row in t.rows for r in row]
    names = {r.config for r in results if r.config}
    there = {path.stem for path in CONFIGS.rglob('*.py')}
    assert names <= there
    ablations = {path.stem for path in (CONFIGS / 'ablations').glob('*.py')}
    assert ablations <= names


@pytest.mark.parametrize(
    'path', sorted((CONFIGS / 'ablations').glob('*.py')), ids=lambda p: p.stem
)
def test_an_ablation_changes_model_or_training_alone(path):
    config = Config.fromfile(path)
    base = Config.fromfile(
        CONFIGS / path.read_text().split("'../")[1].partition("'")[0]
    )
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
