"""Campaigns: many random cases, each made from a seed that failures name."""

import pytest
from campaign import Campaign


@pytest.fixture
def campaign(request):
    """Hands out cases: few as a test, all with `--robustness`."""
    option = request.config.getoption
    campaign = Campaign(
        request.node.name,
        whole=option('--robustness'),
        only=option('--campaign-seed'),
    )
    yield campaign
    campaign.print_counts(request.config.get_terminal_writer())
