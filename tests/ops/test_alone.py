"""The operators need torch and nothing of the host."""

import subprocess
import sys


def test_ops_import_where_the_host_is_missing():
    code = """
import sys
for host in ('mmaction', 'mmcv', 'mmengine'):
    sys.modules[host] = None
from mmvideomamba.ops import selective_scan
"""
    subprocess.run([sys.executable, '-c', code], check=True)
