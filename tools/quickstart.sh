#!/usr/bin/env bash
# Train, test and look inside a small VideoMamba on a machine without a GPU.
#
#   bash tools/quickstart.sh
#
# Makes .venv (unless a virtual environment is active), writes the MotionShapes
# videos, trains with mmaction2's runner, tests with several views and with
# reordered frames, recognises a clip of each class and draws pictures. Run again, it skips
# what is finished and resumes the rest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/setup_env.sh
setup_env requirements/run.txt

config=configs/recognition/videomamba/videomamba-nano-p16-nocls_1xb32-8x4x1-20e_motionshapes-rgb.py
data=data/motion_shapes
work=work_dirs/quickstart
pictures=$work/pictures
mkdir -p "$pictures"

# once NAME COMMAND...: run COMMAND unless it has succeeded before.
once() {
    local name=$1
    shift
    if [ -f "$work/.done-$name" ]; then
        echo 'finished before, skipped'
    else
        "$@"
        touch "$work/.done-$name"
    fi
}

step "MotionShapes: real video files in $data"
once data python tools/data/motion_shapes.py "$data"

step "Training, 20 epochs in $work"
once train python tools/train.py "$config" --work-dir "$work" --resume --brief
checkpoint=$(cat "$work/last_checkpoint")

step "Testing $checkpoint, 4 clips a video"
once test python tools/test.py "$config" "$checkpoint" \
    --work-dir "$work/test" --brief \
    --show-dir "$pictures/predictions" --interval 30

step 'Testing with reordered frames (table 1 of the paper)'
table=$work/temporal_consistency.md
reorder() {
    python tools/analysis_tools/temporal_consistency.py "$config" \
        "$checkpoint" --out "$pictures/temporal_consistency" | tee "$table"
}
once reorder reorder

step 'Recognising a clip of each class, none of which it was trained on'
once demo python tools/predict.py "$config" "$checkpoint" \
    "$data"/videos/*/test_0000[0-7].mp4 --annotate "$pictures/recognised"

step 'Drawing'
once curve python tools/analysis_tools/plot_training_curve.py "$work" \
    --out "$pictures/training_curve"
once orders python tools/analysis_tools/draw_scan_orders.py \
    --out "$pictures/scan_orders"

step 'Results: accuracy in % by the order of the frames; chance is 12.5'
grep '^|' "$table"
echo
echo "Pictures and videos in $pictures:"
(cd "$pictures" && ls -d -- *)

cat <<'END'

Next, in this environment (. .venv/bin/activate):
  your own videos, a folder for each class:
    mmvideomamba finetune FOLDER
  this model on other videos, in parts of a second:
    mmvideomamba predict CONFIG CHECKPOINT VIDEO --window 1 --out time_line
  this model in a browser, after pip install 'gradio>=6.31,<7':
    mmvideomamba page
  a published model, and its names:
    mmvideomamba list
END
