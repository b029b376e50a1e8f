"""What a benchmark writes with `--json`: one schema for all of them.

A record holds

- `benchmark`: 'scan', 'models', 'pipeline' or 'exports';
- `machine`: see `describe_machine`; of the scan also `roofline`, the rates
  that `measure_roofline` returns;
- `results`: a list, one for each contender and pass.

A result holds

- `name`: what tables call the contender;
- `pass`: 'forward', 'forward+backward' or 'training'; of a pipeline 'train',
  'val' or 'test';
- `dtype`: one of `DTYPES`; of a model, bf16 is autocast;
- `batch_size`: clips of a pass;
- `error`: None, or why it could not run; what follows is then None;
- `median`, `iqr` (low, high), `fastest`: seconds, and `rounds`, of how many;
- `ratios`: baseline -> `median` and `iqr` of the time over the baseline's
  time in the same round; below 1 is faster;
- `clips_per_second`;

of the scan also

- `length`, `channels`, `states`: tokens, D and N of each of two directions;
- `bytes_per_second`: each tensor counted once, and `bytes_share`, of the rate
  of a large copy;
- `exps_per_second`, and `roofline_ratio`: the time over that of the exps
  alone, None where that rate is not known;

of a model also

- `model`, one of `BENCHMARKED_MODELS`, and `frames` of a clip;
- `busy`: other processes that kept a core busy meanwhile;
- `parameters`, and of one clip `paper_macs` and `complete_macs`, multiply-
  accumulates by two protocols (`analysis/flops.py`);
- `memory`: bytes that tensors take at the worst moment, above weights and
  clips, in training with gradients and the optimizer's moments, and
  `memory_per_clip`, without the moments; None for matrix products alone;

of a pipeline, whose seconds are CPU time and which has no `dtype`, also

- `video`: the file;
- `wall`: seconds on the clock;
- `stages`: stage -> seconds of it;

of exports, whose seconds are CPU time and which have no `dtype`, also

- `bytes` of the file;
- `difference`: the largest of the scores to those of the model, and `same`,
  the share of videos with the same best class;
- `accuracy`, the share with their label's class, None without labels.
"""

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Dict, Optional

import torch

from ..version import __version__

DTYPES = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
PACKAGES = ('triton', 'mamba_ssm', 'mmaction2')


def describe_machine(device: str) -> dict:
    """What a reader must know to place the figures.

    Args:
        device (str): 'cpu' or 'cuda'.

    Returns:
        dict: `device`; of a GPU `gpu`, `memory_bytes`, `multiprocessors`, of
        a CPU `cpu` (its instruction set) and `threads`; the versions of
        `mmvideomamba`, `torch` and `PACKAGES`, None where not installed.
    """
    if device == 'cuda':
        gpu = torch.cuda.get_device_properties(torch.cuda.current_device())
        chip = dict(
            gpu=gpu.name,
            memory_bytes=gpu.total_memory,
            multiprocessors=gpu.multi_processor_count,
        )
    else:
        chip = dict(
            cpu=torch.backends.cpu.get_cpu_capability(),
            threads=torch.get_num_threads(),
        )
    versions: Dict[str, Optional[str]] = dict(
        mmvideomamba=__version__, torch=torch.__version__
    )
    for package in PACKAGES:
        versions[package] = None
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return dict(device=device, **chip, **versions)
