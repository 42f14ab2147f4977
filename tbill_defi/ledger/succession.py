"""A ledger that goes on from another's end: its genesis names the last head that the other's operator signed.

So whoever has both can show that nothing came between: the older one, verified against this head, is what the younger
one's first positions are held to.
"""

from __future__ import annotations

from tbill_defi.chain.heads import SignedHead
from tbill_defi.core.errors import DataError
from tbill_defi.ledger.ledger import Ledger

EXTRA = "after"
"""Under this name the head is among the extras of the genesis, which its hash covers."""


def succession_extras(head: SignedHead) -> dict[str, str]:
    """Extras of the genesis of a ledger that goes on after a head.

    Raises
    ------
    DataError
        If the head is not signed by the operator it names.
    """
    if not head.holds():
        raise DataError(f"after: the head of block {head.height} is not signed by its operator 0x{head.operator.hex()}")
    return {EXTRA: head.to_json()}


def predecessor(ledger: Ledger) -> SignedHead | None:
    """Last signed head of the ledger that this one goes on from; None if it stands alone."""
    text = ledger.chain.records.get(EXTRA)
    return None if text is None else SignedHead.from_json(text, source="genesis")
