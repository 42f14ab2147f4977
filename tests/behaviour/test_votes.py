"""A vote of a note's holders on three machines: a lost key, a pledge, a seizure and a sale after the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

from tbill_defi.chain.dev import dev_chain
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.rpc_chain import RpcChain
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger import recovery
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.early_redemption import EarlyRedemption, Window
from tbill_defi.ledger.life import TREASURY, ensure_treasury
from tbill_defi.ledger.node import fund
from tbill_defi.ledger.votes import Ballot, Choice, HolderVotes, SignedBallot, Stage, Tally, Threshold
from tests.behaviour.day import BACKENDS, ledger_on
from tests.unit.ledger.support import DOLLAR, NOTE

TEXT = b"Resolved: the indenture is amended as proposed.\n"
HELD = {"desk": 500_000 * DOLLAR, "fund": 300_000 * DOLLAR, "dealer": 200_000 * DOLLAR}
QUEUED = 80_000 * DOLLAR
TWO_THIRDS = Threshold(Fraction(2, 3), more_than=False, of_outstanding=True, quorum_bp=5_000)


def code_of(act):
    with pytest.raises(LedgerError) as refused:
        act()
    return refused.value.code


@pytest.mark.slow
@pytest.mark.invariant("I13")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_vote_of_holders(backend):
    with ledger_on(backend, "desk2") as ledger:
        votes, dev, note = HolderVotes(ledger), dev_chain(ledger.chain), NOTE.cusip

        def go_to(moment):
            dev.set_next_time(moment)
            ledger.deposit("dealer", {}, 1)  # a block, so that the time has come

        for party, face in HELD.items():
            ledger.set_claim(party, 2**40)
            ledger.deposit(party, {NOTE: face}, DOLLAR)
        ensure_treasury(ledger)
        ledger.deposit(TREASURY, {NOTE: 50_000 * DOLLAR})
        token, today = ledger.require_token(note), ledger.market_date
        queue, start = EarlyRedemption(ledger), new_york_midnight(today)
        queue.set_window(note, Window(start, start + 90 * 86_400, DOLLAR, QUEUED, 99 * 10**6))
        queue.request("dealer", note, QUEUED)

        record, last = today + timedelta(days=1), today + timedelta(days=9)
        assert code_of(lambda: votes.open(note, TEXT, record, last, TWO_THIRDS)) == "RecordTimeOutOfRange"
        go_to(new_york_midnight(record) + 9 * 3600)
        opened = votes.open(note, TEXT, record, last, TWO_THIRDS)
        outstanding = sum(HELD.values())
        assert opened.tally == Tally(outstanding, 0, 0, 0), "the Treasury's own is not outstanding"
        assert (opened.threshold, opened.cusip, opened.text_hash) == (TWO_THIRDS, note, keccak256(TEXT))
        assert opened.deadline == new_york_midnight(last + timedelta(days=1)) - 1
        vote = opened.vote_id
        assert code_of(lambda: votes.open(note, TEXT, record, last, TWO_THIRDS)) == "VoteAlreadyOpened"

        # after the record: a sale of everything, a seizure, a request taken back
        fund_wallet = ledger.address_of("fund")
        ledger.send([Step("desk", token, encode_call("SecurityToken", "transfer", fund_wallet, HELD["desk"]))])
        seize = encode_call("SecurityToken", "forcedTransfer", fund_wallet, ledger.address_of("dealer"), HELD["fund"])
        ledger.send([Step("enforcer", token, seize)])
        queue.cancel("dealer", queue.waiting(note)[0].request_id)
        weights = {at.weight for at in votes.positions(vote)}
        assert weights == {HELD["desk"], HELD["fund"], HELD["dealer"] - QUEUED, QUEUED, 50_000 * DOLLAR}

        assert {at.choice for at in votes.cast("dealer", vote, Choice.AGAINST)} == {Choice.AGAINST}
        (ballot,) = votes.sign("fund", vote, Choice.FOR)
        again = SignedBallot.from_json(ballot.to_json())
        contract = ledger.call("HolderVotes", votes.address, "digestOf", again.ballot.abi_value())
        assert contract == again.ballot.digest(ledger.chain.chain_id, votes.address)
        bent = replace(again, ballot=replace(again.ballot, choice=Choice.AGAINST))
        assert code_of(lambda: votes.submit([bent])) == "BallotNotSigned"
        votes.submit([again])
        assert code_of(lambda: votes.submit([again])) == "BallotOutOfTurn"
        assert code_of(lambda: votes.cast(TREASURY, vote, Choice.FOR)) == "IssuerHasNoVote"
        assert votes.state(vote).tally == Tally(HELD["desk"], HELD["fund"], HELD["dealer"], 0)

        # a lost key: the successor votes in its place, and the key no longer
        lost, successor = ledger.address_of("desk"), ledger.keyring.key("desk2").address
        if isinstance(ledger.chain, RpcChain):
            fund(ledger.chain, ledger.keyring, {"desk2": successor}, None)
        votes.cast("desk", vote, Choice.AGAINST)
        recovery.announce(ledger, lost, successor)
        go_to(ledger.chain.now() + 86_401)
        recovery.confirm(ledger, lost)
        assert code_of(lambda: votes.cast("desk", vote, Choice.AGAINST)) == "NoPositionAtRecord"
        votes.cast("desk2", vote, Choice.FOR)
        assert votes.state(vote).tally == Tally(0, HELD["desk"] + HELD["fund"], HELD["dealer"], 0)

        assert code_of(lambda: votes.close(vote)) == "VotingGoesOn"
        assert votes.state(vote).word == "open"
        go_to(opened.deadline + 1)
        assert code_of(lambda: votes.cast("desk2", vote, Choice.NONE)) == "VotingOver"
        done = votes.close(vote)
        assert (done.stage, done.carries, done.word) == (Stage.CLOSED, True, "carried")
        assert ledger.call("HolderVotes", votes.address, "isCarried", vote)
        assert code_of(lambda: votes.close(vote)) == "VoteNotOpen"
        assert votes.all() == [done]
        assert votes.find(vote.hex()[:8]) == vote


def test_a_key_of_nobody_signs_no_ballot():
    with ledger_on("revm") as ledger:
        ledger.deposit("desk", {NOTE: DOLLAR})
        dev_chain(ledger.chain).set_next_time(new_york_midnight(ledger.market_date + timedelta(days=1)))
        ledger.deposit("desk", {}, 1)
        votes, today = HolderVotes(ledger), ledger.market_date
        vote = votes.open(NOTE.cusip, TEXT, today, today + timedelta(days=3), Threshold()).vote_id
        ballot = Ballot(vote, ledger.address_of("desk"), bytes(32), Choice.FOR, 0)
        key = SigningKey.from_seed("somebody")
        forged = SignedBallot(ballot, key.sign_digest(ballot.digest(ledger.chain.chain_id, votes.address)))
        assert code_of(lambda: votes.submit([forged])) == "BallotNotSigned"
        assert code_of(lambda: votes.sign("stranger", vote, Choice.FOR)) == "NoPositionAtRecord"
