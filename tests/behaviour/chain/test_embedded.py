"""What the Chain port promises, on both machines."""

import pytest

from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.executor import DEPLOYMENT_PROXY
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.types import Call, CallReverted, Chain, Log
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import LedgerBusy, LedgerError, UsageError
from tests.behaviour.chain.support import (
    ALICE,
    BOB,
    COUNTER,
    COUNTER_ADDRESS,
    GREEDY,
    OPERATOR,
    START,
    TRANSIENT,
    Desk,
    decode_count,
    deployment,
    url_of,
)

TOPIC = bytes(31) + b"\xaa"


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def code_of(action) -> str:
    with pytest.raises(LedgerError) as caught:
        action()
    return caught.value.code


class TestSubmit:
    def test_each_succeeds_or_reverts_by_itself(self, desk):
        batch = [desk.sign(ALICE), desk.sign(ALICE, data=b"no", ahead=1), desk.sign(BOB)]
        receipts = desk.chain.submit(batch)
        assert [receipt.status for receipt in receipts] == [True, False, True]
        assert [receipt.return_data for receipt in receipts] == [word(1), b"no", word(2)]
        assert [receipt.revert for receipt in receipts] == [b"", b"no", b""]
        assert receipts[0].logs == (Log(COUNTER_ADDRESS, (TOPIC,), word(1)),)
        assert receipts[1].logs == ()
        assert {receipt.height for receipt in receipts} == {2} == {desk.chain.height}
        assert desk.chain.nonce(ALICE.address) == 2

    def test_a_halt_burns_all_gas_and_so_is_refused(self, desk):
        address = desk.deploy(ALICE, b"\xfe")
        assert code_of(lambda: desk.chain.submit([desk.sign(ALICE, to=address)])) == "TooLarge"
        (simulated,) = desk.chain.simulate([Call(ALICE.address, address)])
        assert (simulated.status, simulated.return_data, simulated.revert) == (False, b"", b"")

    def test_transient_storage_ends_with_its_transaction(self, desk):
        address = desk.deploy(ALICE, TRANSIENT)
        receipts = desk.chain.submit([desk.sign(ALICE, to=address), desk.sign(ALICE, to=address, ahead=1)])
        assert [receipt.return_data for receipt in receipts] == [word(0), word(0)]

    def test_an_empty_batch_makes_no_block(self, desk):
        assert desk.chain.submit([]) == ()
        assert desk.chain.height == 1

    def test_an_inadmissible_member_refuses_the_whole_batch(self, desk):
        good = desk.sign(ALICE)
        assert code_of(lambda: desk.chain.submit([good, b"\x02rubbish"])) == "BadTransaction"
        assert code_of(lambda: desk.chain.submit([good, good])) == "NonceTooLow"
        assert code_of(lambda: desk.chain.submit([desk.sign(ALICE, ahead=1), good])) == "NonceTooHigh"
        assert desk.chain.height == 1
        assert desk.chain.nonce(ALICE.address) == 0
        assert desk.chain.call(COUNTER_ADDRESS, b"") == word(1)
        assert desk.chain.submit([good])[0].return_data == word(1)

    def test_more_than_a_quarter_of_the_gas_is_refused(self, desk):
        address = desk.deploy(ALICE, GREEDY)
        height, nonce = desk.chain.height, desk.chain.nonce(ALICE.address)
        batch = [desk.sign(ALICE), desk.sign(ALICE, to=address, ahead=1)]
        assert code_of(lambda: desk.chain.submit(batch)) == "TooLarge"
        assert (desk.chain.height, desk.chain.nonce(ALICE.address)) == (height, nonce)
        assert desk.count()[0].return_data == word(1)

    def test_too_many(self, desk):
        assert code_of(lambda: desk.chain.submit([b""] * 10_001)) == "TooMany"

    def test_creation_goes_through_the_proxy_and_is_known_before(self, desk):
        address, data = deployment(COUNTER, b"\x07" * 32)
        assert desk.chain.call(DEPLOYMENT_PROXY, data) == address
        assert desk.deploy(BOB, COUNTER, b"\x07" * 32) == address
        # a second creation at the address burns what it is given
        assert code_of(lambda: desk.chain.submit([desk.sign(BOB, to=DEPLOYMENT_PROXY, data=data)])) == "TooLarge"


class TestSimulate:
    def test_leaves_no_trace(self, desk):
        calls = [Call(ALICE.address, COUNTER_ADDRESS), Call(BOB.address, COUNTER_ADDRESS, b"x")] * 2
        before = (desk.chain.head(), desk.chain.now(), desk.chain.nonce(ALICE.address))
        first = desk.chain.simulate(calls)
        assert [receipt.return_data for receipt in first] == [word(1), b"x", word(2), b"x"]
        assert [receipt.height for receipt in first] == [2] * 4
        assert desk.chain.simulate(calls) == first
        assert (desk.chain.head(), desk.chain.now(), desk.chain.nonce(ALICE.address)) == before
        assert desk.count()[0].return_data == word(1)

    def test_at_a_time(self, desk):
        # TIMESTAMP and NUMBER as output
        address = desk.deploy(ALICE, bytes.fromhex("425f52" + "43602052" + "60405ff3"))
        (receipt,) = desk.chain.simulate([Call(ALICE.address, address)], at=START + 1_000)
        assert receipt.return_data == word(START + 1_000) + word(3)
        assert desk.chain.call(address, b"") == word(START) + word(3)

    def test_the_next_block_has_its_own_environment_again(self, desk):
        address = desk.deploy(ALICE, bytes.fromhex("425f52" + "60205ff3"))
        desk.chain.simulate([Call(ALICE.address, address)], at=START + 1_000)
        assert desk.chain.submit([desk.sign(ALICE, to=address)])[0].return_data == word(START)

    @pytest.mark.parametrize("at", [-1, 2**63])
    def test_what_is_no_time(self, desk, at):
        with pytest.raises(UsageError, match="at"):
            desk.chain.simulate([], at=at)

    def test_what_is_no_address(self, desk):
        with pytest.raises(UsageError, match="20 bytes"):
            desk.chain.call(b"\x01", b"")
        with pytest.raises(UsageError, match="20 bytes"):
            desk.chain.simulate([Call(b"", COUNTER_ADDRESS)])

    def test_a_failure_inside_leaves_none_either(self, desk):
        calls = [Call(ALICE.address, COUNTER_ADDRESS), Call(DEPLOYMENT_PROXY, COUNTER_ADDRESS)]
        assert code_of(lambda: desk.chain.simulate(calls)) == "SenderHasCode"
        assert desk.count()[0].return_data == word(1)


class TestCall:
    def test_revert_carries_its_data(self, desk):
        with pytest.raises(CallReverted) as caught:
            desk.chain.call(COUNTER_ADDRESS, b"reason")
        assert (caught.value.data, caught.value.code) == (b"reason", "Reverted")

    def test_halt_has_none(self, desk):
        with pytest.raises(CallReverted) as caught:
            desk.chain.call(desk.deploy(ALICE, b"\xfe"), b"")
        assert (caught.value.data, caught.value.code) == (b"", "Halted")

    def test_sender(self, desk):
        address = desk.deploy(ALICE, bytes.fromhex("335f52" + "60205ff3"))
        assert desk.chain.call(address, b"", sender=BOB.address)[12:] == BOB.address
        assert desk.chain.call(address, b"") == word(0)


class TestTime:
    def test_block_time_is_the_clock(self, desk, clock):
        clock.advance(10)
        desk.count()
        assert next(desk.chain.events()).timestamp == START + 10

    def test_two_seconds_behind_is_tolerated_and_time_does_not_decrease(self, desk, clock):
        desk.count()
        clock.seconds = START - 2
        desk.count()
        assert [event.timestamp for event in desk.chain.events()] == [START, START]

    def test_further_behind_is_an_error(self, desk, clock):
        desk.count()
        clock.seconds = START - 3
        assert code_of(desk.count) == "ClockBehind"
        assert desk.chain.height == 2
        clock.seconds = START
        assert desk.count()[0].return_data == word(2)

    def test_a_simulated_clock_is_one_second_a_block(self, new_place, executor):
        chain = EmbeddedChain.create(
            url_of(new_place()),
            operator=OPERATOR,
            clock=SimulatedClock(0),
            simulated_start=START,
            executor=executor,
        )
        with chain:
            assert chain.now() == START + 1
            desk = Desk(chain)
            desk.deploy(ALICE)
            desk.count()
            chain.advance_clock(86_400)
            assert chain.now() == START + 3 + 86_400
            desk.count()
            desk.count()
            times = [event.timestamp for event in chain.events()]
            assert times == [START + 2, START + 3 + 86_400, START + 4 + 86_400]

    def test_a_real_clock_is_not_moved(self, desk):
        assert code_of(lambda: desk.chain.advance_clock(1)) == "RealClock"


class TestEvents:
    def test_decoded_when_written(self, desk):
        desk.count(ALICE, 3)
        records = list(desk.chain.events(names=["Counted"]))
        assert [record.arguments for record in records] == [{"count": "1"}, {"count": "2"}, {"count": "3"}]
        assert [record.position for record in records] == [0, 1, 2]
        assert [record.sequence for record in records] == [1, 2, 3]
        assert len({record.transaction_hash for record in records}) == 3
        assert [record.log for record in records] == list(desk.chain.logs(from_block=1))

    def test_filters(self, desk):
        other = desk.deploy(BOB, COUNTER, b"\x01" * 32)
        desk.count()
        desk.chain.submit([desk.sign(BOB, to=other)])
        assert [record.height for record in desk.chain.events()] == [3, 4]
        assert [record.height for record in desk.chain.events(addresses=[other])] == [4]
        assert [record.height for record in desk.chain.events(from_block=4)] == [4]
        assert [record.height for record in desk.chain.events(to_block=3)] == [3]
        assert list(desk.chain.events(names=["Other"])) == []
        assert list(desk.chain.events(from_block=5)) == []
        assert list(desk.chain.logs(from_block=1, addresses=[other])) == [Log(other, (TOPIC,), word(1))]

    def test_more_than_a_page(self, desk):
        for _ in range(3):
            desk.count(ALICE, 900)
        assert [int(record.arguments["count"]) for record in desk.chain.events()] == list(range(1, 2_701))

    def test_a_log_nobody_can_decode_does_not_stop_the_ledger(self, new_place, clock, executor):
        def broken(log):
            raise ValueError("no such event")

        with EmbeddedChain.create(
            url_of(new_place()), operator=OPERATOR, clock=clock, decoder=broken, executor=executor
        ) as chain:
            desk = Desk(chain)
            desk.deploy(ALICE)
            desk.count()
            (record,) = chain.events()
        assert (record.name, record.arguments) == ("", {})


class TestOpening:
    def test_state_is_what_it_was(self, desk, clock, executor):
        desk.count(ALICE, 5)
        head = desk.chain.head()
        desk.chain.close()
        seen = []
        with EmbeddedChain.open(
            desk.chain.url,
            clock=clock,
            operator=OPERATOR,
            decoder=decode_count,
            executor=executor,
            progress=lambda done, total: seen.append((done, total)),
        ) as chain:
            assert seen == [(1, 2), (2, 2)]
            assert chain.head() == head
            assert chain.nonce(ALICE.address) == 5
            assert Desk(chain).count()[0].return_data == word(6)

    def test_readers_follow_the_writer(self, desk, clock, executor):
        reader = EmbeddedChain.open(desk.chain.url, clock=clock, executor=executor)
        assert reader.call(COUNTER_ADDRESS, b"") == word(1)
        desk.count(ALICE, 2)
        assert reader.call(COUNTER_ADDRESS, b"") == word(3)
        assert reader.nonce(ALICE.address) == 2
        assert reader.head() == desk.chain.head()
        assert len(list(reader.events())) == 2
        assert code_of(lambda: reader.submit([desk.sign(ALICE)])) == "ReadOnly"
        reader.close()

    def test_one_writer(self, desk, clock):
        with pytest.raises(LedgerBusy):
            EmbeddedChain.open(desk.chain.url, clock=clock, operator=OPERATOR)
        with pytest.raises(LedgerBusy):
            EmbeddedChain.create(desk.chain.url, clock=clock, operator=OPERATOR)
        desk.chain.close()
        EmbeddedChain.open(desk.chain.url, clock=clock, operator=OPERATOR).close()

    def test_only_the_operators_key_writes(self, desk, clock):
        desk.chain.close()
        with pytest.raises(LedgerError) as caught:
            EmbeddedChain.open(desk.chain.url, clock=clock, operator=ALICE)
        assert caught.value.code == "WrongOperator"
        EmbeddedChain.open(desk.chain.url, clock=clock, operator=OPERATOR).close()

    def test_a_ledger_is_never_overwritten(self, desk, clock):
        desk.chain.close()
        assert code_of(lambda: EmbeddedChain.create(desk.chain.url, operator=ALICE, clock=clock)) == "Exists"

    def test_missing_and_other_files(self, tmp_path, clock):
        missing = url_of(tmp_path / "none.db")
        assert code_of(lambda: EmbeddedChain.open(missing, clock=clock)) == "NotFound"
        assert code_of(lambda: EmbeddedChain.open(missing, clock=clock, operator=OPERATOR)) == "NotFound"
        assert not (tmp_path / "none.db").exists()
        (tmp_path / "empty.db").write_bytes(b"")
        assert code_of(lambda: EmbeddedChain.open(url_of(tmp_path / "empty.db"), clock=clock)) == "NotALedger"

    @pytest.mark.parametrize("url", ["desk.db", "mysql://x/y", "sqlite:////no/such/folder/a.db"])
    def test_urls_that_are_not_served(self, url, clock):
        with pytest.raises(UsageError, match="ledger"):
            EmbeddedChain.create(url, operator=OPERATOR, clock=clock)

    def test_in_memory(self, clock, executor):
        with EmbeddedChain.create("sqlite://", operator=OPERATOR, clock=clock, executor=executor) as chain:
            desk = Desk(chain)
            desk.deploy(ALICE)
            assert desk.count(ALICE, 2)[1].return_data == word(2)
            assert len(list(chain.events())) == 2


class TestIdentity:
    def test_is_a_chain(self, desk):
        port: Chain = desk.chain
        assert port.chain_id == desk.chain.genesis.chain_id

    def test_chain_ids_are_random_and_never_public(self, tmp_path, clock):
        ids = set()
        for n in range(8):
            with EmbeddedChain.create(url_of(tmp_path / f"{n}.db"), operator=OPERATOR, clock=clock) as chain:
                ids.add(chain.chain_id)
        assert len(ids) == 8
        assert min(ids) >= 2**40

    @pytest.mark.parametrize("chain_id", [0, -1, 2**53])
    def test_chain_id_must_fit_json(self, chain_id, clock):
        with pytest.raises(UsageError, match="chain id"):
            EmbeddedChain.create("sqlite://", operator=OPERATOR, clock=clock, chain_id=chain_id)

    def test_extras_are_text(self, clock):
        with pytest.raises(UsageError, match="extras"):
            EmbeddedChain.create("sqlite://", operator=OPERATOR, clock=clock, extras={"n": 1})

    def test_extras_are_in_genesis(self, new_place, clock):
        key = SigningKey.from_seed("another")
        url = url_of(new_place())
        EmbeddedChain.create(url, operator=key, clock=clock, extras={"purpose": "tést"}).close()
        with EmbeddedChain.open(url, clock=clock) as chain:
            assert chain.genesis.extras == {"purpose": "tést"}
            assert chain.genesis.operator == key.address
