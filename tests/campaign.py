"""Random cases that can be repeated one by one."""

from collections import Counter

import numpy as np


class Campaign:
    """Numbered random cases and what came of them.

        for case in campaign.cases(10_000, as_test=100):
            with case:
                array = case.random.normal(size=3)
                ...
                case.outcome('refused')

    Args:
        name (str): Of the test.
        whole (bool): Play all cases, not those of the quick test alone.
        only (int, optional): Play the case of this seed alone.
    """

    def __init__(self, name, whole=False, only=None):
        self.name = name
        self.whole = whole
        self.only = only
        self.outcomes = Counter()

    def cases(self, count, as_test):
        """Yield `count` cases, or `as_test` of them in the quick test."""
        seeds = range(count if self.whole else as_test)
        for seed in seeds if self.only is None else [self.only]:
            yield _Case(self, seed)

    def print_counts(self, terminal):
        """One line with how often each outcome came."""
        if self.whole or self.only is not None:
            counts = ', '.join(
                f'{count} {outcome}'
                for outcome, count in sorted(self.outcomes.items())
            )
            terminal.line(f'\n{self.name}: {counts}')


class _Case:
    """One case: `random` gives the same numbers for the same seed."""

    def __init__(self, campaign, seed):
        self.campaign = campaign
        self.seed = seed
        self.random = np.random.default_rng(seed)
        self._outcome = 'passed'

    def outcome(self, outcome):
        """Count this case under another name than 'passed'."""
        self._outcome = outcome

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None:
            self.campaign.outcomes[self._outcome] += 1
        elif issubclass(kind, Exception):
            # pytest shows it with the failure.
            print(f'{self.campaign.name}: --campaign-seed {self.seed}')
