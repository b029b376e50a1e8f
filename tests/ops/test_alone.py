"""The operators, and their benchmark, need torch and nothing of the host."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools' / 'analysis_tools'


@pytest.mark.parametrize('module', ['mmvideomamba.ops', 'benchmark_scan'])
def test_it_imports_where_the_host_is_missing(module):
    code = f"""
import sys
for host in ('mmaction', 'mmcv', 'mmengine'):
    sys.modules[host] = None
sys.path.append({str(TOOLS)!r})
import {module}
"""
    subprocess.run([sys.executable, '-c', code], check=True)
