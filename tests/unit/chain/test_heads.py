"""Genesis covers every field, and a head is bound to it."""

from contextlib import suppress
from dataclasses import replace
from itertools import product

import pytest

from tbill_defi.chain.heads import Genesis, SignedHead
from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.errors import DataError

KEY = SigningKey.from_seed("operator")
GENESIS = Genesis(4_242, KEY.address, {b"\x01" * 20: b"\x60\x00"}, None, {"desk": "tést"})


def test_round_trip_through_its_row():
    for genesis in (GENESIS, replace(GENESIS, clock_start=1_774_378_800), replace(GENESIS, code={}, extras={})):
        again = Genesis.from_row(genesis.row())
        assert again == genesis
        assert again.hash == genesis.hash


def test_hash_covers_every_field():
    others = [
        replace(GENESIS, chain_id=4_243),
        replace(GENESIS, operator=b"\x02" * 20),
        replace(GENESIS, code={b"\x01" * 20: b"\x60\x01"}),
        replace(GENESIS, code={b"\x02" * 20: b"\x60\x00"}),
        replace(GENESIS, clock_start=0),
        replace(GENESIS, clock_start=1),
        replace(GENESIS, extras={}),
        replace(GENESIS, extras={"desk": "test"}),
        replace(GENESIS, version=2),
    ]
    assert len({GENESIS.hash, *(other.hash for other in others)}) == len(others) + 1


def test_order_of_code_and_extras_does_not_matter():
    one = replace(GENESIS, extras={"a": "1", "b": "2"})
    assert replace(GENESIS, extras={"b": "2", "a": "1"}).hash == one.hash


def test_head_holds_only_as_signed():
    head = SignedHead.sign(KEY, GENESIS, 7, b"\x05" * 32)
    assert head.holds()
    assert head.signer() == KEY.address
    other = SigningKey.from_seed("other")
    assert not head.with_signature(other.sign_digest(head.digest())).holds()
    assert head.with_signature(b"").signer() is None
    assert SignedHead.from_json(head.to_json()) == head


@pytest.mark.slow
def test_no_bit_of_a_heads_file_can_be_changed():
    text = SignedHead.sign(KEY, GENESIS, 7, b"\x05" * 32).to_json()
    assert SignedHead.from_json(text).holds()
    for changed in one_bit_changed(text):
        with suppress(DataError):
            assert not SignedHead.from_json(changed).holds(), changed


def one_bit_changed(text):
    """Every bit of every byte of what is ASCII, where it is still text."""
    data = text.encode()
    for place, bit in product(range(len(data)), range(8)):
        changed = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
        with suppress(UnicodeDecodeError):
            yield changed.decode()


@pytest.mark.parametrize("field", ["chain_id", "height"])
def test_json_carries_integers_as_text(field):
    head = SignedHead.sign(KEY, replace(GENESIS, chain_id=2**53 - 1), 2**52, b"\x05" * 32)
    assert f'"{getattr(head, field)}"' in head.to_json()
