"""What `tools/gpu_check.sh` compares on a GPU, run from PTX on a CPU.

    python tests/gpu/check_from_ptx.py 90

The argument is the compute capability to compile for, ten times. Runs the
cases of its parts `correct` and `correct_others`, at their sizes and with the
tolerances of a GPU, and prints their JSON lines. Fails as they would.
"""

import argparse
import json
import sys
from pathlib import Path

from without_a_gpu import run_operators_from_ptx

sys.path.append(str(Path(__file__).resolve().parents[2] / 'tools'))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('capability', type=int, help='times ten: 90')
    run_operators_from_ptx(parser.parse_args().capability)
    # Once the kernels are to be compiled, not interpreted.
    from gpu_check_parts.bench import Bench
    from gpu_check_parts.kernels import CASES, check_operators

    class Rehearsal(Bench):
        def synchronize(self) -> None:
            """Nothing to wait for."""

    bench = Rehearsal(dry=False)
    bench.device = 'cpu'
    for record in check_operators(bench, CASES):
        print(json.dumps(record), flush=True)


if __name__ == '__main__':
    main()
