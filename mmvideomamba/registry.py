"""The only importer of `mmaction.registry`, plus the scan orders' registry.

Everything registers directly in mmaction2's registries, so configs keep
`default_scope = 'mmaction'` and need no prefixes.
"""

from mmaction.registry import (
    DATASETS,
    HOOKS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    RUNNERS,
    TRANSFORMS,
    VISUALIZERS,
)
from mmengine.registry import Registry

SCAN_ORDERS = Registry(
    'scan order',
    scope='mmaction',
    locations=['mmvideomamba.models.scan_orders'],
)

__all__ = [
    'DATASETS',
    'HOOKS',
    'MODELS',
    'OPTIM_WRAPPERS',
    'OPTIM_WRAPPER_CONSTRUCTORS',
    'RUNNERS',
    'SCAN_ORDERS',
    'TRANSFORMS',
    'VISUALIZERS',
]
