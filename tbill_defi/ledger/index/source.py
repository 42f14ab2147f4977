"""Where the books' events come from: a ledger, embedded or on a node, up to a block whose hash can be asked again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.types import EventRecord
from tbill_defi.ledger.clearing import house_address
from tbill_defi.ledger.index.entries import EVENTS, Known
from tbill_defi.ledger.ledger import Ledger


def identity(ledger: Ledger) -> str:
    """What a ledger is known by: its chain id and its Settlement."""
    return f"{ledger.chain.chain_id}:0x{ledger.contracts.settlement.hex()}"


def block_hash(ledger: Ledger, height: int) -> str:
    """Hash of the block at a height, 0x-text; "" if the ledger has no such block."""
    chain = ledger.chain
    if height > chain.height:
        return ""
    if isinstance(chain, EmbeddedChain):
        return "0x" + chain.block_hash(height).hex()
    (answer,) = ledger.node.ask([("eth_getBlockByNumber", (hex(height), False))])
    return str(cast("dict[str, Any]", answer)["hash"]) if answer else ""


def events(ledger: Ledger, known: Known, first: int, last: int) -> Iterator[EventRecord]:
    """Events from height `first` to `last`; on a shared chain those of our contracts and of every token of ours.

    And of whatever says that it novates: which of these are clearing houses is found when they are folded.
    """
    chain = ledger.chain
    if not chain.shared:
        return chain.events(names=EVENTS, from_block=first, to_block=last)
    registry = (ledger.contracts.asset_registry,)
    tokens = [bytes.fromhex(token[2:]) for token in known.assets]
    made = chain.events(names=("AssetRegistered",), addresses=registry, from_block=first, to_block=last)
    tokens += [bytes.fromhex(event.arguments["token"][2:]) for event in made]
    houses = [house_address(ledger.contracts, bytes.fromhex(key.ccp[2:])) for key in known.nets]
    houses += [event.log.address for event in chain.events(names=("Novated",), from_block=first, to_block=last)]
    addresses = tuple(dict.fromkeys((*ledger.contracts.addresses(), *tokens, *houses)))
    return chain.events(names=EVENTS, addresses=addresses, from_block=first, to_block=last)
