"""Records as the benchmarks print them."""

from mmvideomamba.benchmark.record import PACKAGES, describe_machine
from mmvideomamba.benchmark.tables import format_record


def result(name, **values):
    ratios = {'reference': dict(median=0.5, iqr=(0.4, 0.8))}
    return {
        **{'name': name, 'pass': 'forward', 'dtype': 'bf16', 'batch_size': 2},
        **dict(error=None, median=0.25, iqr=(0.2, 0.3), fastest=0.002),
        **dict(rounds=3, ratios=ratios, clips_per_second=8.0, **values),
    }


def test_a_record_of_the_scan():
    machine = dict(
        device='cpu', mamba_ssm=None, roofline=dict(exps_per_second=2e9)
    )
    rates = dict(bytes_per_second=3e9, bytes_share=0.25)
    rates.update(exps_per_second=1e9, roofline_ratio=2.0)
    refused = dict(result('mambapy'), error='not installed')
    results = [result('cpu', length=9, **rates), refused, refused]
    record = dict(benchmark='scan', machine=machine, results=results)
    text = ' '.join(format_record(record).split())
    assert text.startswith('device cpu, exps_per_second 2.0 G |')
    assert '| x reference | x mamba-ssm-twice |' in text
    assert (
        '| cpu | forward | bf16 | 2 | 250.0 (200.0-300.0) | 2.000 | 9 '
        '| 2.0 (1.2-2.5) | - | 3.0 (25%) | 1.0 | 2.00 |'
    ) in text
    assert text.endswith('run: - mambapy, forward: not installed')


def test_a_record_of_models():
    products = dict.fromkeys(('memory', 'memory_per_clip', 'parameters'))
    products.update(paper_macs=None, complete_macs=3e9)
    ours = dict(memory=2e6, memory_per_clip=1e6, parameters=26_200_000)
    ours.update(paper_macs=34e9, complete_macs=47.5e9)
    results = [result('ours', **ours), result('products', **products)]
    record = dict(benchmark='models', machine={}, results=results)
    text = ' '.join(format_record(record).split())
    row = 'forward | bf16 | 2 | 250.0 (200.0-300.0) | 8.00 | 0.50 (0.40-0.80)'
    assert f'| ours | {row} | 2 | 1 | 26.2 | 34.0 | 47.5 |' in text
    assert f'| products | {row} | - | - | - | - | 3.0 |' in text


def test_a_machine_is_described():
    machine = describe_machine('cpu')
    assert machine['device'] == 'cpu' and machine['threads'] >= 1
    assert machine['torch'] and set(PACKAGES) <= set(machine)
