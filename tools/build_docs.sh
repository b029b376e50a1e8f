#!/usr/bin/env bash
# Build the site of the docs into build/site; a warning is an error. It needs
# requirements/docs.txt in the active environment, and no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export NO_MKDOCS_2_WARNING=1
python -m mkdocs build --strict --quiet "$@"
