"""Every invariant of the design has tests, and the page that lists them is what they say."""

from tests.properties import INVARIANTS, PAGE, collected, kind, missing_attacks, page

BY_EXAMPLE = {"I14", "I16"}
"""Facts of one journal and one backtest: shown on each, not over a state machine."""
IN_ONE_STEP = {"I5"}
"""Speaks of one call, so there are no states to drive it through."""


def test_the_page_is_current():
    assert PAGE.read_text() == page(), "run `python -m tests.properties`"


def test_no_test_names_an_invariant_that_is_none():
    assert set(collected()) <= set(INVARIANTS)


def test_every_invariant_has_tests():
    assert set(INVARIANTS) == set(collected())


def test_every_invariant_is_fuzzed_and_driven_through_states():
    for name in set(INVARIANTS) - BY_EXAMPLE:
        kinds = {kind(test) for test in collected()[name]}
        assert kinds & {"fuzz", "proof"}, f"{name} has {kinds}"
        assert "state machine" in kinds or name in IN_ONE_STEP, f"{name} has {kinds}"


def test_every_attack_is_tried():
    assert missing_attacks() == []
