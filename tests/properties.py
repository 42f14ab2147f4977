"""`python -m tests.properties` writes tests/PROPERTIES.md: which tests show each invariant of the design.

A Python test says so by `@pytest.mark.invariant("I6")`, one in Solidity by its name: `testFuzz_I6_...`,
`invariant_I6_...`, `check_I6_...` (a proof over all inputs, by halmos).
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "tests" / "PROPERTIES.md"

INVARIANTS = {
    "I1": "the sum of balances is the total supply; debits are credits, per currency and journal entry",
    "I2": "available = max(0, balance - frozen - held), held <= balance; a forced transfer takes free units, then "
    "frozen ones, and held ones only by naming the holds it ends",
    "I3": "`canTransfer(x)` if and only if `transfer(x)` succeeds",
    "I4": "a forced self-transfer never changes what is frozen",
    "I5": "a batch equals the fold of its singles",
    "I6": "a DvP settles all legs or none, at most once, never outside its window; only a giver burns his nonce",
    "I7": "pending is the sum of open holds, each of which ends exactly once",
    "I8": "in any window of the stated length the sum stays within the limit",
    "I9": "coupons paid and unpaid are rate x fraction of the period x face at record, with dust under a unit a holder",
    "I10": "redeemed and outstanding are what was issued",
    "I11": "repo interest is the sum over intervals of cash x rate x days/360; collateral covers by the repo's margin "
    "rule or a margin call is open; substitution keeps cash, rate and end",
    "I12": "NAV after a rebalance is at least that before, less fees and the slippage bound; what passed is within the "
    "mandate",
    "I13": "the weight of a vote is the balance at its record time",
    "I14": "replay from the first transaction gives the live state, and the head is the signed one",
    "I15": "after deployment, over every role and selector, nobody has more than his part",
    "I16": "a backtest's own accounting is the contracts' balances, to the base unit",
}
ATTACKS = {
    "a callback of a token's recipient": [
        "TokenAttacks::test_no_hook",
        "SettlementAttacks::test_reentry_from_an_erc1271_giver",
        "SettlementAttacks::test_reentry_from_a_guard",
        "VoteAttacks::test_a_wallet_that_calls_back_while_it_is_asked",
        "QueueFinality::test_a_rule_that_calls_back_gives_nothing_else_back",
    ],
    "a signature bent into another of the same": [
        "SettlementAttacks::test_malleable_and_compact_signatures",
        "SettlementBatch::test_I6_signatures_of_a_list_bent_missing_reordered_or_twice",
        "TokenAttacks::test_permit_malleability_and_other_chains",
        "MandateAttacks::test_signatures_in_another_shape",
        "PriceOracle::test_signatures_in_another_shape",
        "TradeBook::test_signatures_in_another_shape",
        "VoteAttacks::test_a_signature_bent_or_of_nobody",
        "KeySignature::testFuzz_what_a_key_signed",
    ],
    "a signature used again, on another chain or at another contract": [
        "SettlementAttacks::test_foreign_chain_and_foreign_contract",
        "SettlementAttacks::test_I6_replay",
        "SettlementBatch::test_I6_a_list_for_another_chain_or_contract",
        "SettlementBatch::test_I6_a_list_again_settles_nothing_twice",
        "MandateAttacks::test_signatures_for_another_chain_contract_or_time",
        "RepoAttacks::test_signatures_for_one_facility_are_none_for_another",
        "PriceOracle::test_a_round_is_bound_to_chain_contract_and_content",
        "PriceOracle::test_a_round_again",
        "TradeBook::test_signatures_for_another_chain_or_book",
        "TradeBook::test_a_trade_that_is_over_is_not_affirmed_again",
        "VoteAttacks::test_a_ballot_for_another_chain_contract_or_vote",
    ],
    "a permit taken to the chain by somebody else": ["TokenAttacks::test_permit_front_running"],
    "a forced transfer to oneself": [
        "SecurityTokenFuzz::testFuzz_I4_forced_self_transfer",
        "Holds::testFuzz_I4_forced_to_oneself_out_of_a_hold",
    ],
    "one id twice in a batch": [
        "SettlementAttacks::test_I6_replay_inside_one_batch",
        "SettlementBatch::test_I6_one_instruction_twice_in_a_list",
        "TokenAttacks::test_a_hold_named_twice_ends_once",
        "Recovery::test_every_hold_must_be_named",
        "TokenAttacks::test_a_recipient_named_twice_is_paid_twice",
        "Life::test_dust_goes_back_to_the_payer_with_the_last_payment",
        "SanctionedLife::test_a_holder_named_twice_is_redeemed_once",
        "ClearingHouse::test_a_trade_or_a_line_named_twice_is_taken_once",
        "TradeBook::testFuzz_a_block_is_its_allocations",
        "MandateAttacks::test_a_token_named_twice_is_recognised_once",
        "TokenRules::test_an_identity_named_twice_is_counted_once",
        "Compliance::test_a_country_or_an_identity_named_twice_is_on_its_list_once",
        "PriceOracle::test_quorum_and_signers",
    ],
    "a list that was signed, cut, sorted otherwise or added to": [
        "SettlementBatch::testFuzz_I6_the_signature_is_of_the_list",
        "SettlementBatch::test_I6_a_signature_of_an_instruction_is_none_of_a_list_and_the_other_way_round",
    ],
    "a rule of a security that fails, lies, burns gas, calls back or speaks for Compliance": [
        "TokenRules::test_a_rogue_rule_stops_dealing_and_not_redemption",
        "TokenRules::test_a_rule_speaks_with_codes_of_its_own_alone",
        "TokenRules::test_a_rule_cannot_move_under_rules_while_it_is_told",
        "TokenRuleAttacks::test_a_rule_cannot_speak_for_compliance",
        "TokenRuleAttacks::test_no_gas_lets_a_redemption_past_a_rule_that_counts",
    ],
    "a holder's place got or freed by dust, wallets, a recovery or a count before its time": [
        "TokenRules::test_dust_does_not_fill_the_register",
        "TokenRuleAttacks::test_wallets_of_one_party_neither_take_nor_free_places",
        "TokenRuleAttacks::test_a_recovered_party_is_counted",
        "TokenRuleAttacks::test_nobody_counts_holders_before_a_move_that_is_told",
    ],
    "units under lock-up sent by a hold, an approval, a batch, a settlement or a second wallet": [
        "TokenRules::test_a_hold_is_asked_about_when_it_is_executed",
        "TokenRuleAttacks::test_no_way_of_sending_gets_round_a_lock_up",
    ],
    "units under lock-up pledged, taken on a default that was meant, or delivered under an option": [
        "LockUpProducts::test_locked_units_are_no_collateral",
        "LockUpProducts::test_what_is_taken_on_default_is_locked",
        "LockUpProducts::test_no_option_delivers_locked_units",
        "LockUpProducts::test_a_managed_account_frees_nothing",
    ],
    "units under lock-up taken apart, or put together, and sold under another name": [
        "LockUpProducts::test_locked_units_are_not_taken_apart",
        "LockUpProducts::test_locked_pieces_are_not_put_together",
    ],
    "the edge of a window": [
        "SettlementAttacks::testFuzz_I6_window",
        "Compliance::test_I8_the_window_slides_by_the_second",
        "LifeAttacks::test_the_windows_edges",
        "QueueFinality::testFuzz_a_request_is_final_from_its_cut_off",
        "Holds::test_expired_by_anyone_after_expiry",
        "Claims::test_claims_are_written_over_revoked_and_expire",
        "Recovery::test_delay_to_the_second",
        "EmergencyStop::test_it_ends_by_itself",
        "TradeBook::test_it_settles_late_until_the_deadline",
        "OptionBook::test_exercised_inside_the_window_only_and_once",
        "RepoRules::test_overdue_to_the_second",
        "Repo::test_margin_call_and_default_on_it",
        "AuctionBook::test_bids_are_sealed_until_their_close",
        "Stripping::test_the_second_before_a_payment_is_in_time",
        "Stripping::test_reconstitution_ends_before_a_payment",
        "HolderVotes::test_until_the_deadline_inclusive",
        "PriceOracle::test_missing_and_stale",
        "Mandate::test_03_turnover_in_a_sliding_window",
        "TokenRules::test_lock_up_frees_what_was_there_before_and_time_frees_the_rest",
        "Proofs::check_I8_window_counts_what_is_in_it",
    ],
    "dust farming": ["TokenAttacks::testFuzz_I9_dust_farming"],
    "a redemption queue clogged": [
        "EarlyRedemption::test_queue_griefing_by_a_rest_that_is_worth_nothing",
        "EarlyRedemption::test_queue_griefing_by_many_small_requests",
        "QueueFinality::test_queue_griefing_by_many_who_leave",
        "EarlyRedemption::test_cancelled_requests_leave_nothing_to_step_over",
        "EarlyRedemption::test_a_holder_who_cannot_be_paid_stops_nobody",
        "LifeAttacks::test_a_part_is_a_multiple_of_the_denomination",
        "LifeAttacks::test_new_terms_do_not_inherit_an_old_days_limit",
    ],
    "an option on a known price of the redemption queue: to ask, leave, strike or pay when one knows it": [
        "QueueFinality::test_queue_griefing_by_an_option_on_a_known_price",
        "QueueFinality::test_who_has_left_is_not_struck_at_a_later_price",
        "QueueFinality::test_the_rest_of_a_day_has_no_known_price",
        "QueueFinality::test_a_strike_front_run_by_a_request",
        "QueueFinality::test_a_strike_twice_pays_once",
        "QueueFinality::testFuzz_a_request_is_final_from_its_cut_off",
        "QueueFinality::test_nobody_is_struck_by_other_terms_than_his",
        "QueueFinality::test_nobody_is_final_before_his_cut_off",
        "QueueFinality::test_the_payer_has_no_option_either",
        "EarlyRedemption::test_a_price_from_before_the_cut_off_does_not_count",
    ],
    "a holder kept in the redemption queue": [
        "QueueFinality::test_a_dead_oracle_keeps_nobody",
        "QueueFinality::test_a_payer_without_cash_keeps_nobody",
        "QueueFinality::test_a_full_queue_keeps_nobody",
        "QueueFinality::test_an_emergency_stop_keeps_nobody_in_the_queue",
        "QueueFinality::test_a_window_that_closes_lets_everyone_go",
        "QueueFinality::test_a_pause_or_a_default_lets_everyone_go",
    ],
    "units out of reach of a pause or a sanction under other names, or for cash": [
        "LifeAttacks::test_no_way_around_a_pause_by_its_pieces",
        "LifeAttacks::test_a_sanctioned_holder_takes_nothing_apart",
        "LifeAttacks::test_a_pause_stops_the_queue_and_not_the_way_out",
    ],
    "a lost wallet's place in a queue, an option, a repo or an act of stripping": [
        "LifeAttacks::test_a_lost_wallets_request_is_its_successors",
        "LifeAttacks::test_a_strike_pays_the_successor",
        "LifeAttacks::test_a_lost_wallets_acts_are_its_successors",
        "ProductsFollow::test_a_lost_writers_strike_is_not_paid_to_who_has_the_key",
        "ProductsFollow::test_a_lost_key_sells_nothing",
        "OptionBook::test_a_lost_key_writes_no_call_on_its_successors_hold",
        "Recovery::test_a_lost_notary_delivers_nothing",
        "ProductsFollow::test_a_lost_lender_is_paid_and_releases_nothing",
    ],
    "units voted twice, borrowed for the record, bought after it, or counted by their lender too": [
        "VoteAttacks::test_I13_units_passed_on_are_not_voted_twice",
        "VoteAttacks::test_I13_units_borrowed_for_the_record_second_have_no_vote",
        "VoteAttacks::test_I13_a_buyer_of_after_the_record_has_no_vote",
        "VoteAttacks::test_I13_collateral_is_counted_once",
        "VoteAttacks::test_I13_accounts_vote_no_more_than_their_custody_had",
        "VoteAttacks::test_a_custody_of_ones_own_making_is_none",
    ],
    "an issuer's own units voted under another name": [
        "VoteAttacks::test_an_issuers_wallet_under_another_name_has_no_vote",
        "VoteAttacks::test_an_issuers_wallet_of_after_the_opening_has_no_vote",
        "VoteAttacks::test_an_issuers_wallet_that_was_recovered_has_no_vote",
        "VoteAttacks::test_an_issuers_collateral_has_no_vote",
        "VoteAttacks::test_an_issuers_collateral_and_lost_wallet_under_another_name_have_no_vote",
    ],
    "a signed ballot used again, bent, out of turn, elsewhere, or by a lost key": [
        "VoteAttacks::test_a_ballot_is_good_once_and_in_its_turn",
        "VoteAttacks::test_a_call_of_ones_own_voids_a_ballot_signed_before",
        "VoteAttacks::test_a_ballot_brought_by_somebody_else_is_the_same_vote",
        "VoteAttacks::test_a_ballot_for_another_chain_contract_or_vote",
        "VoteAttacks::test_a_signature_bent_or_of_nobody",
        "VoteAttacks::test_a_lost_keys_ballots_are_void",
        "VoteAttacks::test_a_wallet_that_calls_back_while_it_is_asked",
    ],
    "a vote asked twice under one id, or clogged with dust": [
        "VoteAttacks::test_one_id_is_one_vote",
        "VoteAttacks::test_dust_keeps_nobody_from_voting_or_closing",
    ],
    "the name of another's hold taken first": [
        "Holds::test_an_id_is_its_holders_own",
        "OptionBook::test_a_writer_is_not_kept_out_by_who_names_a_hold_first",
    ],
    "a wallet recovered that has become another's": [
        "Recovery::test_a_wallet_that_changed_hands_meanwhile_is_not_recovered",
    ],
    "a holding cap got round by way of the queue": [
        "LifeAttacks::test_the_queue_is_no_way_around_a_holding_cap",
    ],
    "the floor of an indexed note, or interest of a floating one, taken twice": [
        "LifeAttacks::test_I10_the_floor_is_maturitys_alone",
        "LifeAttacks::test_I9_interest_of_a_floating_rate_in_the_queue",
    ],
    "a sealed bid copied": ["LifeAttacks::test_a_copied_seal_keeps_nobody_out"],
    "a clone taken over": ["TokenAttacks::test_clone_hijack"],
    "a role beyond its part": [
        "TokenAttacks::test_role_escalation",
        "Roles::test_I15_escalation",
        "Roles::test_I15_a_grant_taken_back_within_its_delay",
        "Registries::test_restricted_functions_refuse_everyone_else",
    ],
    "a second token of a paused security": ["TokenAttacks::test_mirror_of_a_paused_security"],
}
"""What somebody would try, and the tests of contracts that try it."""
_FORGE = re.compile(r"function ((test|testFuzz|invariant|check)_(I\d+)\w*)\(")


def python_tests() -> Iterator[tuple[str, str]]:
    """(invariant, test) of every marked function, class and assigned case."""
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        text = file.read_text()
        if "mark.invariant" not in text:
            continue
        place = file.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                marks, name = node.decorator_list, node.name
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                marks, name = [node.value.func], ast.unparse(node.targets[0])
            else:
                continue
            for mark in marks:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.invariant":
                    yield ast.literal_eval(mark.args[0]), f"{place}::{name}"


def forge_tests() -> Iterator[tuple[str, str]]:
    """(invariant, test) of every Solidity test that names one."""
    for file in sorted((ROOT / "contracts" / "test").glob("*.sol")):
        for name, _, invariant in _FORGE.findall(file.read_text()):
            yield invariant, f"{file.relative_to(ROOT).as_posix()}::{name}"


def missing_attacks() -> list[str]:
    """Tests that are named as attacks and are not there."""
    places = [test.split("::") for tests in ATTACKS.values() for test in tests]
    texts = {suite: (ROOT / "contracts" / "test" / f"{suite}.t.sol").read_text() for suite, _ in places}
    return [f"{suite}::{name}" for suite, name in places if f"function {name}(" not in texts[suite]]


def kind(test: str) -> str:
    """What sort of evidence a test is."""
    place, name = test.split("::")
    if name.startswith("check_"):
        return "proof"
    if name.startswith("invariant_") or (place.startswith("tests/property") and name.startswith("Test")):
        return "state machine"
    if name.startswith("testFuzz") or place.startswith("tests/property"):
        return "fuzz"
    return "example"


def collected() -> dict[str, list[str]]:
    """Invariant -> tests, sorted."""
    found: dict[str, set[str]] = defaultdict(set)
    for invariant, test in (*python_tests(), *forge_tests()):
        found[invariant].add(test)
    return {name: sorted(tests) for name, tests in found.items()}


def page() -> str:
    """The whole of PROPERTIES.md."""
    found = collected()
    lines = [
        "# Properties",
        "",
        "What is always true, and the tests that try to break it. Written by `python -m tests.properties`; a test",
        "holds this page to the tests there are.",
    ]
    for name, statement in INVARIANTS.items():
        lines += ["", f"## {name}", f"{statement[0].upper()}{statement[1:]}.", ""]
        lines += [
            f"- {kind(test)}: `{test}`" for test in sorted(found.get(name, ()), key=lambda t: (_RANK[kind(t)], t))
        ]
    lines += ["", "# Attacks", "What somebody would try, and the tests in `contracts/test` that try it.", ""]
    lines += [f"- {attack}: {', '.join(f'`{test}`' for test in tests)}" for attack, tests in ATTACKS.items()]
    return "\n".join(lines) + "\n"


_RANK = {"proof": 0, "state machine": 1, "fuzz": 2, "example": 3}


if __name__ == "__main__":
    PAGE.write_text(page())
