"""Public checkpoints -> our models.

reading            a file or URL -> what was saved, without running any of it
torch_files        what torch saved, as data
plain_data         what may be in it
plain_numpy        numpy's and mmengine's part of that
plain_results      what test.py --dump wrote
tensor_checks      what may be weights
saved_states       the newest sound checkpoint of a folder
run_state          optimizers, schedulers and notes, for the run that resumes
checkpoint_family  whose model it is
key_mapping        keys and shapes of Vim and OpenGVLab -> ours
position_fitting   position embeddings for another kind or token grid
backbone           what is asked of a model to load into
backbone_fitting   all of it for one backbone
settings           what a model computes that its weights do not show
report             what was loaded, adapted, missing and unexpected
pretrained         init_cfg=dict(type='Pretrained')
resuming           load_from, --resume and tools/test.py
writing            a file for others
upstream_forward   what the authors' models compute, to check against
"""

from .backbone_fitting import fit_backbone
from .checkpoint_family import CHECKPOINT_FAMILIES, Weights, identify
from .pretrained import intercept_pretrained, load_backbone, load_head
from .reading import read_checkpoint
from .report import make_report, unexpected_head
from .resuming import (
    fit_loaded_backbone,
    load_from_checked_file,
    require_head_fits,
)
from .settings import Settings, record_settings, settings_of, with_settings
from .writing import encode_weights, require_new, write_new

__all__ = [
    'CHECKPOINT_FAMILIES',
    'Settings',
    'Weights',
    'encode_weights',
    'fit_backbone',
    'fit_loaded_backbone',
    'identify',
    'intercept_pretrained',
    'load_backbone',
    'load_from_checked_file',
    'load_head',
    'make_report',
    'read_checkpoint',
    'record_settings',
    'require_head_fits',
    'require_new',
    'settings_of',
    'unexpected_head',
    'with_settings',
    'write_new',
]
