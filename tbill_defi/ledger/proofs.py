"""Proofs of inclusion: one transaction, or what one holder has, against a checkpoint that the operator signs.

Of a holding, whoever verifies learns the holder's amount, the supply, and sums of others beside the way up; who they
are is hidden by a salt in every leaf, made of the operator's key and the checkpoint's block, so that leaves of two
blocks cannot be told to be one holder's. The leaf's own neighbour is one unnamed amount.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from tbill_defi.chain.checkpoint import Checkpoint
from tbill_defi.chain.handovers import require_operator
from tbill_defi.chain.keys import SigningKey, address_of
from tbill_defi.chain.merkle import Node, SumTree, counted, tagged_hash
from tbill_defi.chain.transaction_reading import TransactionRecord
from tbill_defi.chain.types import Call
from tbill_defi.core.errors import DataError, LedgerError, UsageError
from tbill_defi.core.hashing import canonical_json
from tbill_defi.ledger.abi import decode_result, encode_call
from tbill_defi.ledger.books import EVENTS, ZERO, Books
from tbill_defi.ledger.deployment import CURRENCY
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import OPERATOR, Ledger

Proof = dict[str, Any]


class Evidence:
    """The trees of a ledger at a block, and the checkpoint over them.

    Parameters
    ----------
    operator
        The operator's key, which signs the checkpoint and salts the holders.
    height
        None: the last block.
    retired
        The key may be of an operator of the block's time who has handed over since: a checkpoint of his is held to it.

    Raises
    ------
    LedgerError
        If the key is not the operator's (code "WrongOperator"), or the supply that the contracts report is not the sum
        of the holdings ("NotReserved").
    """

    def __init__(
        self, ledger: Ledger, operator: SigningKey, height: int | None = None, *, retired: bool = False
    ) -> None:
        chain, last = ledger.embedded, ledger.chain.height
        self.height = last if height is None else height
        if not 0 <= self.height <= last:
            raise UsageError(f"at: {height} is not a block of this ledger, which ends at {last}")
        operators = chain.operators
        if not (retired and operator.address in operators.at(self.height)):
            require_operator(operators, operator)
        self._handovers = [one.value() for one in operators.handovers]
        self._records = list(chain.transactions(self.height))
        self._transactions = SumTree([counted("transaction", leaf(record)) for record in self._records])
        block_hash = chain.block_hash(self.height)
        books = Books(ledger.contracts, CURRENCY).apply(chain.events(names=EVENTS, to_block=self.height))
        held = holdings(books)
        if self.height == last:
            _require_supply(ledger, books, held)
        secret = operator.sign_digest(sha256(canonical_json(["salts", block_hash.hex()])).digest())
        self._shelves = {asset: _Shelf(asset, mine, secret) for asset, mine in held.items()}
        self._assets = SumTree([counted("asset", asset, *shelf.root) for asset, shelf in self._shelves.items()])
        self.checkpoint = Checkpoint(
            chain_id=str(chain.chain_id),
            genesis_hash=chain.genesis.hash.hex(),
            height=str(self.height),
            block_hash=block_hash.hex(),
            transactions=self._transactions.root.sum,
            transactions_root=self._transactions.root.hash,
            assets=self._assets.root.sum,
            assets_root=self._assets.root.hash,
        ).signed(operator)

    def prove_transaction(self, transaction_hash: bytes) -> Proof:
        """Proof that a transaction is in the ledger, and whether it succeeded.

        Raises
        ------
        DataError
            If it is not, up to the block.
        """
        for index, record in enumerate(self._records):
            if record.hash == transaction_hash:
                return self._proof(leaf=leaf(record), path=self._transactions.path(index))
        raise DataError(f"prove: no transaction 0x{transaction_hash.hex()} up to block {self.height}")

    def prove_holding(self, asset: str, holder: str) -> Proof:
        """Proof of what a party has of an asset in its wallets, for the party itself: it contains its salt.

        Raises
        ------
        DataError
            If there is no such asset, or it has none of it.
        """
        shelf = self._shelves.get(asset)
        if shelf is None:
            raise DataError(f"prove: {asset} is not on the ledger at block {self.height}")
        place = list(self._shelves).index(asset)
        return self._proof(**shelf.prove(holder, self.height), asset_path=self._assets.path(place))

    def _proof(self, **content: Any) -> Proof:
        return {**content, "checkpoint": self.checkpoint.value(), "handovers": self._handovers}


def checkpoint_faults(ledger: Ledger, ring: Keys, kept: Checkpoint) -> dict[str, str]:
    """Fields of a checkpoint that are not what this ledger gives at its block -> what is wrong; empty if it holds.

    Parameters
    ----------
    ring
        Must have the key of the operator who signed it, retired if he has handed over since: the salts of the holders
        come from it, so nobody else can build the sum trees again.
    """
    operators, operator = ledger.embedded.operators, ring.key(OPERATOR)
    handed = next((one for one in operators.handovers if one.operator == kept.operator), None)
    if handed is not None:
        signer = address_of(bytes.fromhex(handed.operator))
        if int(kept.height) > int(handed.height):
            text = f"0x{signer.hex()} handed over at block {handed.height}, and signed block {kept.height} after it"
            return {"operator": text}
        operator = ring.retired(OPERATOR, signer)
    chain, last = ledger.embedded, ledger.chain.height
    named, faults = int(kept.height), {}
    at = named if named <= last and chain.block_hash(named).hex() == kept.block_hash else None
    if at is None:
        at = next((n for n in range(last + 1) if chain.block_hash(n).hex() == kept.block_hash), None)
        if at is not None:
            faults["height"] = f"{kept.height} is given, but block {at} has that hash"
    if at is None and named > last:
        return {"height": f"{kept.height} is no block of this ledger, which ends at {last}"}
    found = Evidence(ledger, operator, named if at is None else at, retired=True).checkpoint.value()
    for name, given in kept.value().items():
        if name not in ("height", "signature") and given != found[name]:
            faults[name] = f"{given} is given, this ledger has {found[name]}"
    if not faults and kept.signature != found["signature"]:
        faults["signature"] = "is not the operator's over these fields"
    return faults


class _Shelf:
    """The sum tree of one asset; its leaves are in the order of their hashes, which says nothing of whose they are."""

    def __init__(self, asset: str, held: Mapping[str, int], secret: bytes) -> None:
        self._asset, self._held, self._secret = asset, held, secret
        self._supply = str(sum(held.values()))
        leaves = {holder: holding_leaf(self._leaf(holder)) for holder in held}
        self._order = sorted(held, key=lambda holder: leaves[holder].hash)
        self._tree = SumTree([leaves[holder] for holder in self._order])
        self.root = self._tree.root

    def _leaf(self, holder: str) -> dict[str, str]:
        salt = hmac.digest(self._secret, canonical_json([self._asset, holder]), sha256).hex()
        amount = {"amount": str(self._held[holder]), "supply": self._supply}
        return {"asset": self._asset, "holder": holder, **amount, "salt": salt}

    def prove(self, holder: str, height: int) -> Proof:
        if holder not in self._held:
            raise DataError(f"prove: {holder} has no {self._asset} at block {height}")
        return {"leaf": self._leaf(holder), "path": self._tree.path(self._order.index(holder))}


def leaf(record: TransactionRecord) -> dict[str, str]:
    """What of a transaction is hashed."""
    return {
        "height": str(record.height),
        "position": str(record.position),
        "timestamp": str(record.timestamp),
        "status": "succeeded" if record.status else "reverted",
        "raw": record.raw.hex(),
    }


def holding_leaf(content: Mapping[str, str]) -> Node:
    """Leaf of a holding: its amount in the open, the rest hidden by its salt."""
    return Node(content["amount"], tagged_hash("holding", content))


def holdings(books: Books) -> dict[str, dict[str, int]]:
    """Asset -> party -> units in its wallets, of all that have any; contracts by address."""
    found: dict[str, dict[str, int]] = {}
    for token, asset in books.tokens().items():
        mine = found.setdefault(asset, {})
        for wallet, units in books.balances(token).items():
            if wallet != ZERO and units:
                party = books.party_of(wallet)
                mine[party] = mine.get(party, 0) + units
    return dict(sorted(found.items()))


def _require_supply(ledger: Ledger, books: Books, held: Mapping[str, Mapping[str, int]]) -> None:
    """That what is held is what the contracts have issued."""
    tokens = books.tokens()
    data = encode_call("CashToken", "totalSupply")
    receipts = ledger.chain.views([Call(bytes(20), bytes.fromhex(token[2:]), data) for token in tokens])
    ledger.require_success(receipts)
    for asset, receipt in zip(tokens.values(), receipts, strict=True):
        (supply,) = decode_result("CashToken", "totalSupply", receipt.return_data)
        total = sum(held[asset].values())
        if supply != total:
            text = f"{asset}: its contract reports a supply of {supply}, its holders have {total}"
            raise LedgerError(text, "NotReserved")
