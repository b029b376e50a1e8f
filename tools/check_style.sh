#!/usr/bin/env bash
# What CI and pre-commit check beside the tests: style, spelling, types,
# workflows. Needs requirements/tests.txt in the active environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ruff check .
ruff format --check .
clang-format --dry-run -Werror mmvideomamba/ops/csrc/*.{cpp,h} tests/ops/*.cpp
codespell mmvideomamba *.py tools tests configs docs *.md .github
check-jsonschema -q --builtin-schema vendor.github-workflows \
    .github/workflows/*.yml
zizmor -q --offline .github
mypy
