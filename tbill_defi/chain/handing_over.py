"""Handing a ledger over to another operator's key: one durable commit, by the writer, and nothing is executed."""

from __future__ import annotations

from tbill_defi.chain.handovers import Handover, require_operator
from tbill_defi.chain.heads import SignedHead
from tbill_defi.chain.journal import Journal
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.reading import checked_head
from tbill_defi.core.errors import LedgerError


def hand_over(url: str, operator: SigningKey, successor: SigningKey) -> None:
    """Let `successor` sign a ledger's heads from here on; nothing, if that is so already.

    `operator` says so by his signature, and what he signs afterwards counts for nothing. The hand-over and the head
    under the new signature are one commit: cut off anywhere, one of the two keys is the operator's, and only one.

    Raises
    ------
    LedgerError
        If `operator` is not the operator ("WrongOperator"), or `successor` was it before ("WasOperator").
    LedgerBusy
        If another writer holds the ledger.
    """
    journal = Journal.open(url, writer=True)
    try:
        genesis = journal.genesis()
        head, _ = checked_head(journal, genesis)
        operators = journal.operators
        if operators.latest == successor.address:
            return
        require_operator(operators, operator)
        if successor.address in operators.addresses:
            raise LedgerError(f"ledger: 0x{successor.address.hex()} was its operator before", code="WasOperator")
        journal.begin(genesis, head, serving="")
        made = Handover.sign(operator, genesis, head, successor.public_key)
        journal.hand_over(genesis, head, made, SignedHead.sign(successor, genesis, head.height, head.block_hash))
    finally:
        journal.close()
