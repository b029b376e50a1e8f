"""Public checkpoints -> our models: read safely, recognise, fit, load.

reading            a file or URL -> what was saved, running nothing of it
checkpoint_family  whose model it is, told by what can be seen
key_mapping        names and layouts of Vim and OpenGVLab -> ours
position_fitting   position embeddings for another kind or grid
backbone_fitting   all of it for one model, with a report
loading            init_cfg, load_from, --resume and the command line
upstream_forward   what the authors' models compute, to check against
"""

from .backbone_fitting import fit_backbone, head_left_out, make_report
from .checkpoint_family import FAMILIES, Weights, identify
from .loading import (
    fit_loaded_backbone,
    load_backbone,
    load_from_checked_file,
    load_head,
    own_pretrained,
    require_head_fits,
)
from .reading import read_checkpoint
from .writing import encode_weights, write_new

__all__ = [
    'FAMILIES',
    'Weights',
    'encode_weights',
    'fit_backbone',
    'fit_loaded_backbone',
    'head_left_out',
    'identify',
    'load_backbone',
    'load_from_checked_file',
    'load_head',
    'make_report',
    'own_pretrained',
    'read_checkpoint',
    'require_head_fits',
    'write_new',
]
