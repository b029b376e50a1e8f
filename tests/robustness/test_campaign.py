"""The campaigns themselves: cases, counts and seeds."""

import io

import pytest
from campaign import Campaign


def numbers(campaign):
    drawn = []
    for case in campaign.cases(5, as_test=2):
        with case:
            drawn.append(case.random.random())
            if case.seed % 2:
                case.outcome('odd')
    return drawn


class Terminal(io.StringIO):
    def line(self, text):
        self.write(text)


def test_the_quick_test_plays_the_first_cases_of_the_whole_campaign():
    quick, whole = Campaign('quick'), Campaign('whole', whole=True)
    assert numbers(quick) == numbers(whole)[:2]
    assert len(whole.outcomes) == 2


def test_one_case_is_repeated_by_its_seed():
    assert numbers(Campaign('one', only=3)) == [
        numbers(Campaign('whole', whole=True))[3]
    ]


def test_a_whole_campaign_says_what_came():
    campaign, terminal = Campaign('whole', whole=True), Terminal()
    numbers(campaign)
    campaign.print_counts(terminal)
    assert terminal.getvalue() == '\nwhole: 2 odd, 3 passed'


def test_a_failure_names_its_seed(capsys):
    campaign = Campaign('kills', only=7)
    with pytest.raises(ValueError):
        for case in campaign.cases(1, as_test=1):
            with case:
                raise ValueError
    assert capsys.readouterr().out == 'kills: --campaign-seed 7\n'
    assert not campaign.outcomes
