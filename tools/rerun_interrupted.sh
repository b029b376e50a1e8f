#!/usr/bin/env bash
# Run a training again each time that it was interrupted:
#   bash tools/rerun_interrupted.sh WORK_DIR COMMAND...
# The command trains into WORK_DIR with --resume, for example under Slurm:
#   bash tools/rerun_interrupted.sh work_dirs/mine \
#       bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG \
#       --work-dir work_dirs/mine --resume
# A SIGTERM, SIGUSR1 or Ctrl-C to this script goes to the command, which is
# then not run again; the exit code is 75 if the training was saved. Otherwise
# the exit code is that of the last command.
set -uo pipefail
# Commands in the background would ignore Ctrl-C.
set -m
if [ $# -lt 2 ]; then
    echo "usage: $0 WORK_DIR COMMAND..." >&2
    exit 2
fi
interrupted=$1/interrupted warning= command=

hand_on() {
    warning=$1
    [ -z "$command" ] || kill "-$1" "$command"
}
for signal in TERM USR1 INT; do
    trap "hand_on $signal" "$signal"
done

while [ -z "$warning" ]; do
    rm -f "$interrupted"
    "${@:2}" &
    command=$!
    # A signal ends `wait`, not the command.
    while wait "$command"; status=$?; kill -0 "$command" 2>/dev/null; do :; done
    [ -e "$interrupted" ] || exit "$status"
done
exit 75
