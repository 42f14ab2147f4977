"""What someone with write access to the database, all our code, and not the operator's key can do."""

from collections.abc import Callable, Sequence

from tbill_defi.chain import schema
from tbill_defi.chain.blocks import Block, build_block
from tbill_defi.chain.executor import executor_factory
from tbill_defi.chain.heads import Genesis, SignedHead
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.replay import Machine
from tbill_defi.chain.transactions import Transaction, recover
from tbill_defi.core.errors import LedgerError
from tests.behaviour.chain.support import Database, Place, decode_count, opened


def genesis_of(place: Place) -> Genesis:
    with opened(place) as database:
        (row,) = database.execute("SELECT * FROM genesis")
    return Genesis.from_row(dict(zip(schema.genesis.columns.keys(), row, strict=True)))


def stored_blocks(place: Place) -> list[tuple[int, list[bytes]]]:
    """(timestamp, raw transactions) of each block."""
    with opened(place) as database:
        times = database.execute("SELECT timestamp FROM blocks ORDER BY height")
        raws = database.execute("SELECT height, raw FROM transactions ORDER BY sequence")
    return [(time, [raw for at, raw in raws if at == n + 1]) for n, (time,) in enumerate(times)]


def insert_block(database: Database, block: Block) -> None:
    for table, rows in (
        (schema.blocks, [tuple(block.header.values())]),
        (schema.transactions, block.transactions),
        (schema.events, block.events),
    ):
        for row in rows:
            database.execute(f"INSERT INTO {table.name} VALUES ({','.join('?' * len(row))})", row)


def replace_blocks(database: Database, blocks: Sequence[Block]) -> None:
    """These blocks in place of all that are stored; the head stays."""
    for table in ("blocks", "transactions", "events"):
        database.execute(f"DELETE FROM {table}")
    for block in blocks:
        insert_block(database, block)


def rewrite(
    path: Place,
    change: Callable[[list[tuple[int, list[bytes]]]], None],
    *,
    signer: SigningKey | None,
    move_head: bool = True,
    admit: Callable[[Machine, Sequence[bytes]], list[Transaction]] = Machine.admit,
) -> None:
    """Change the history, execute and hash it all again to the tip, and sign the head with any key, or none."""
    genesis = genesis_of(path)
    history = stored_blocks(path)
    change(history)
    machine = Machine(genesis, executor_factory())
    blocks = []
    for timestamp, raws in history:
        batch = admit(machine, raws)
        block = build_block(machine.tip, timestamp, batch, machine.run(batch, timestamp), decode_count)
        machine.keep(block.tip)
        blocks.append(block)
    with opened(path) as database:
        replace_blocks(database, blocks)
        tip = machine.tip
        if move_head:
            database.execute("UPDATE head SET height = ?, hash = ?", (tip.height, tip.hash))
        if signer is not None:
            # not SignedHead.sign: the forger signs the very head the audit will check, under the operator's name
            unsigned = SignedHead(genesis.chain_id, genesis.hash, tip.height, tip.hash, genesis.operator, b"")
            database.execute("UPDATE head SET signature = ?", (signer.sign_digest(unsigned.digest()),))


def admit_anyone(sender: bytes) -> Callable[[Machine, Sequence[bytes]], list[Transaction]]:
    """Admit whatever cannot be admitted as if `sender` had sent it."""

    def admit(machine: Machine, raws: Sequence[bytes]) -> list[Transaction]:
        try:
            return machine.admit(raws)
        except LedgerError:
            (raw,) = raws
            honest = recover(raw, chain_id=machine.chain_id)
            nonce = machine.nonce(sender)
            return [Transaction(sender, honest.to, honest.data, nonce, honest.chain_id, honest.hash, raw)]

    return admit
