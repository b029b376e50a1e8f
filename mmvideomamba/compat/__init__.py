"""Repairs of the host: mmaction2 1.2.0 and mmengine 0.10.7 as they are today.

Each repair is one function in the files here. It does nothing on a sound
installation, and its docstring links the upstream issue, or the code where no
issue is known. `repair_host` runs them all when `mmvideomamba` is imported,
before anything imports mmaction: first what lets it import, then its warnings,
reading checkpoints, distributed runs, resuming, labels, and reading videos.
"""

from .checkpoints import (
    allow_runner_checkpoints,
    load_all_weights_or_none,
    read_checkpoints_safely,
)
from .configs import (
    find_packages_without_pkg_resources,
    let_configs_inherit_from_ours,
    let_inferencers_find_our_models,
    let_the_hub_build_our_models,
)
from .data import (
    balance_action_datasets,
    end_workers_with_the_run,
    open_videos_through_one_reader,
    read_with_opencv_as_with_decord,
    read_with_pyav_as_with_decord,
)
from .distributed import (
    let_ddp_run_without_cuda,
)
from .imports import (
    alias_importlib_metadata,
    require_supported_mmcv,
    silence_file_client,
    silence_import_warnings,
    stub_drn_localizer,
    switch_off_unusable_multimodal,
)
from .resuming import (
    order_samples_by_the_seed_of_the_run,
    start_reading_with_the_training,
)
from .scores import (
    average_several_labels_by_sigmoid,
    dump_results_whole,
    leave_unlabelled_out_of_average_precision,
    name_unknown_metrics,
    refuse_scores_that_are_not_finite,
    score_in_float32,
)
from .training import (
    check_optimizer_states,
    compile_the_model_alone,
    deliver_swallowed_interrupts,
    explain_layer_decay,
)


def repair_host() -> None:
    """Make `import mmaction` and its runner work here."""
    require_supported_mmcv()
    alias_importlib_metadata()
    stub_drn_localizer()
    switch_off_unusable_multimodal()
    silence_import_warnings()
    silence_file_client()
    allow_runner_checkpoints()
    read_checkpoints_safely()
    load_all_weights_or_none()
    find_packages_without_pkg_resources()
    let_configs_inherit_from_ours()
    let_the_hub_build_our_models()
    let_inferencers_find_our_models()
    let_ddp_run_without_cuda()
    average_several_labels_by_sigmoid()
    leave_unlabelled_out_of_average_precision()
    name_unknown_metrics()
    balance_action_datasets()
    end_workers_with_the_run()
    start_reading_with_the_training()
    order_samples_by_the_seed_of_the_run()
    check_optimizer_states()
    compile_the_model_alone()
    score_in_float32()
    dump_results_whole()
    deliver_swallowed_interrupts()
    refuse_scores_that_are_not_finite()
    explain_layer_decay()
    open_videos_through_one_reader()
    read_with_pyav_as_with_decord()
    read_with_opencv_as_with_decord()
