"""Strict encoding and decoding of the one kind of transaction there is."""

import contextlib

import pytest
import rlp

from tbill_defi.chain.executor import TRANSACTION_GAS
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.transactions import LONGEST_TRANSACTION, recover, sign_transaction
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256

KEY = SigningKey.from_seed("alice")
CHAIN = 4_242_424_242_424
TO = bytes(range(20))
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def integer(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def raw(**changes) -> bytes:
    """A transaction signed by KEY whose fields can be anything; built with the rlp library, not our encoder."""
    fields = {
        "chain_id": integer(CHAIN),
        "nonce": integer(7),
        "tip": b"",
        "fee": b"",
        "gas": integer(TRANSACTION_GAS),
        "to": TO,
        "value": b"",
        "data": b"hello",
        "access": [],
    } | changes
    unsigned = list(fields.values())
    signature = KEY.sign_digest(keccak256(b"\x02" + rlp.encode(unsigned)))
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return b"\x02" + rlp.encode([*unsigned, integer(signature[64] - 27), integer(r), integer(s)])


def code_of(transaction: bytes) -> str:
    with pytest.raises(LedgerError) as caught:
        recover(transaction, chain_id=CHAIN)
    return caught.value.code


def test_signs_what_the_rlp_library_encodes():
    for nonce, data in ((0, b""), (7, b"hello"), (127, b"\x7f"), (128, b"\x80"), (2**40, b"x" * 70_000)):
        expected = raw(nonce=integer(nonce), data=data)
        assert sign_transaction(KEY, chain_id=CHAIN, nonce=nonce, to=TO, data=data) == expected


def test_agrees_with_eth_account():
    from eth_account import Account

    fields = {
        "type": 2, "chainId": CHAIN, "nonce": 7, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0,
        "gas": TRANSACTION_GAS, "to": "0x" + TO.hex(), "value": 0, "data": b"hello",
    }  # fmt: skip
    signed = Account.sign_transaction(fields, keccak256(b"alice"))
    ours = sign_transaction(KEY, chain_id=CHAIN, nonce=7, to=TO, data=b"hello")
    assert bytes(signed.raw_transaction) == ours
    assert bytes(signed.hash) == recover(ours, chain_id=CHAIN).hash


def test_recovers_what_was_signed():
    transaction = recover(raw(), chain_id=CHAIN)
    assert transaction.sender == KEY.address
    assert (transaction.to, transaction.data, transaction.nonce, transaction.chain_id) == (TO, b"hello", 7, CHAIN)
    assert transaction.hash == keccak256(raw())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain_id": integer(1)}, "WrongChain"),
        ({"tip": b"\x01"}, "NotZeroFee"),
        ({"fee": b"\x01"}, "NotZeroFee"),
        ({"value": b"\x01"}, "NotZeroValue"),
        ({"gas": integer(TRANSACTION_GAS - 1)}, "WrongGasLimit"),
        ({"gas": integer(TRANSACTION_GAS + 1)}, "WrongGasLimit"),
        ({"access": [[TO, []]]}, "NotEmptyAccessList"),
        ({"to": b""}, "NoRecipient"),
        ({"to": TO + b"\x01"}, "NoRecipient"),
        ({"nonce": b"\x01" + bytes(8)}, "BadTransaction"),
        ({"nonce": b"\0\x07"}, "BadTransaction"),
        ({"tip": b"\0"}, "BadTransaction"),
        ({"data": [b"list"]}, "BadTransaction"),
        ({"access": b""}, "BadTransaction"),
    ],
)
def test_refuses_by_code(changes, code):
    assert code_of(raw(**changes)) == code


def test_refuses_other_types():
    signed = raw()
    legacy = rlp.encode([b"\x07", b"", integer(TRANSACTION_GAS), TO, b"", b"", b"\x1b", b"\x01" * 32, b"\x01" * 32])
    for other in (b"", b"\x02", b"\x01" + signed[1:], b"\x03" + signed[1:], b"\x04" + signed[1:], legacy, signed[1:]):
        assert code_of(other) == "BadTransaction"


def test_refuses_what_is_no_list_before_its_fields_are_read():
    listed = raw(access=[[TO, []]])
    assert listed[1] == 0xF8
    assert code_of(listed) == "NotEmptyAccessList"
    assert code_of(listed[:1] + b"\x7f" + listed[3:]) == "BadTransaction"


def test_refuses_every_truncation_and_any_trailing_byte():
    signed = raw()
    for length in range(len(signed)):
        assert code_of(signed[:length]) == "BadTransaction"
    assert code_of(signed + b"\0") == "BadTransaction"


def test_refuses_a_length_written_longer_than_needed():
    signed = raw()
    assert signed[1] == 0xF8
    longer = signed[:1] + b"\xf9\0" + signed[2:]
    assert code_of(longer) == "BadTransaction"


def test_refuses_too_long():
    assert code_of(raw(data=b"x" * LONGEST_TRANSACTION)) == "TooLong"


def test_refuses_the_mirrored_signature():
    """EIP-2: (r, n - s) with the other parity is the same signer's, and would give a second hash."""
    fields = rlp.decode(raw()[1:])
    s = int.from_bytes(fields[11], "big")
    fields[9] = b"" if fields[9] else b"\x01"
    fields[11] = integer(ORDER - s)
    assert code_of(b"\x02" + rlp.encode(fields)) == "BadSignature"


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (ORDER, 1), (2**256, 1), (1, 2**256), (5, 1)])
def test_refuses_signatures_out_of_range(r, s):
    fields = rlp.decode(raw()[1:])
    fields[10], fields[11] = integer(r), integer(s)
    assert code_of(b"\x02" + rlp.encode(fields)) == "BadSignature"


def test_a_changed_byte_never_keeps_the_sender():
    signed = raw()
    for position in range(len(signed)):
        changed = bytearray(signed)
        changed[position] ^= 1
        with contextlib.suppress(LedgerError):
            assert recover(bytes(changed), chain_id=CHAIN).sender != KEY.address
