"""The runner that a config asks for."""

from typing import Any, Union

from mmengine._strategy import DDPStrategy, FSDPStrategy
from mmengine.config import Config
from mmengine.registry import STRATEGIES, Registry
from mmengine.runner import FlexibleRunner, Runner

from ..checks import require_choice
from ..registry import RUNNERS
from .epoch_lines import EpochLinesHook, quiet_terminal

# What Runner reads from a config and FlexibleRunner does not, and what to do.
NOT_OF_FLEXIBLE_RUNNER = dict(
    model_wrapper_cfg='make it strategy.model_wrapper',
    find_unused_parameters='make it part of strategy.model_wrapper',
    sync_bn='make it strategy.sync_bn',
    activation_checkpointing='remove it, or runner_type',
    efficient_conv_bn_eval='remove it, or runner_type',
    compile='remove it, or runner_type',
)


def build_runner(
    cfg: Config, brief: bool = False
) -> Union[Runner, FlexibleRunner]:
    """Build `cfg.runner_type`, by default mmengine's `Runner`.

    As mmaction2's train.py and test.py do; what the runner would not read is
    refused.

    Args:
        cfg (Config): A config of mmaction2.
        brief (bool): Whether the terminal gets a line for each epoch and
            test, and warnings, in place of the log.

    Raises:
        ValueError: There is no such runner or strategy, or the runner ignores
            a setting of the config.
    """
    runner = _find('runner_type', cfg.get('runner_type', 'Runner'), RUNNERS)
    if cfg.get('strategy') is not None:
        if not isinstance(cfg.strategy, dict):
            raise ValueError(
                f"expected strategy=dict(type='NAME'), got {cfg.strategy!r}"
            )
        strategy = _find('strategy.type', cfg.strategy.get('type'), STRATEGIES)
        if runner is Runner:
            raise ValueError(
                'strategy is a setting of FlexibleRunner, which this config '
                "does not use: add runner_type='FlexibleRunner', or remove "
                'strategy'
            )
        distributed = issubclass(strategy, DDPStrategy)
        if distributed and cfg.get('launcher', 'none') == 'none':
            raise ValueError(
                f'strategy.type={cfg.strategy["type"]!r} is for several '
                'processes: start them with tools/dist_train.sh, which sets '
                '--launcher, or remove strategy'
            )
        if issubclass(strategy, FSDPStrategy):
            _require_whole_model(cfg)
    for key, instead in NOT_OF_FLEXIBLE_RUNNER.items():
        if runner is FlexibleRunner and cfg.get(key):
            raise ValueError(
                f"runner_type='FlexibleRunner' does not read {key}: {instead}"
            )
    if not brief:
        return RUNNERS.build(cfg)
    with quiet_terminal():
        built = RUNNERS.build(cfg)
    built.register_hook(EpochLinesHook())
    return built


def _require_whole_model(cfg: Config) -> None:
    """Refuse what FSDP would do to each shard by itself.

    mmengine's default saves a folder of shards, which only the same number of
    processes can read; its clipping sees the norm of its own shard:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/_strategy/fsdp.py
    """
    saved = cfg.strategy.get('state_dict_cfg', 'local')
    if isinstance(saved, dict):
        saved = saved.get('state_dict_type', 'LOCAL_STATE_DICT')
    if saved not in ('full', 'FULL_STATE_DICT'):
        raise ValueError(
            f'FSDPStrategy with state_dict_cfg={saved!r} saves shards, which '
            "no other tool reads: set strategy.state_dict_cfg='full'"
        )
    if cfg.get('optim_wrapper', {}).get('clip_grad'):
        raise ValueError(
            'under FSDPStrategy each process would clip its gradients by the '
            'norm of its own shard: set optim_wrapper.clip_grad=None'
        )


def _find(setting: str, name: Any, registry: Registry) -> Any:
    """The registered class, or the one that is named by itself."""
    if not isinstance(name, (str, type(None))):
        return name
    found = registry.get(name) if name else None
    if found is None:
        known = dict(getattr(registry.parent, 'module_dict', {}))
        require_choice(setting, name, {**known, **registry.module_dict})
    return found
