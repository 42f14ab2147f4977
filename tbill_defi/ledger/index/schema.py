"""Tables of the books, and the one meaning of each column. Amounts are base units, times Unix seconds; nothing is NULL.

Portable SQL: integers of 64 bits and text. `entry` and `line` count from 1 over the whole books, in order, so "as of a
block" is "up to the last line of that block", which `marks` has.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

VERSION = 4
LARGEST_AMOUNT = 2**63 - 1
"""Stated limit of one amount or balance in the books: 9.2 trillion dollars."""

metadata = MetaData()


class Mistyped(Exception):
    """A stored value is not of its column's type: SQLite keeps any, and a file can be damaged."""


class _Whole(Integer):
    """An integer that is read as one, or not at all."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        """What looks at a value that is read."""
        return _whole


class _Text(Text):
    """A text that is read as one, or not at all."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        """What looks at a value that is read."""
        return _text


def _whole(value: Any) -> int | None:
    if type(value) is int or value is None:
        return value
    raise Mistyped


def _text(value: Any) -> str | None:
    if type(value) is str or value is None:
        return value
    raise Mistyped


_Int = BigInteger().with_variant(_Whole(), "sqlite")
_Str = Text().with_variant(_Text(), "sqlite")


def _key(name: str) -> Column[int]:
    return Column(name, _Int, primary_key=True, autoincrement=False)


def _name(name: str) -> Column[str]:
    return Column(name, _Str, primary_key=True)


def _ints(*names: str) -> list[Column[int]]:
    return [Column(name, _Int, nullable=False) for name in names]


def _texts(*names: str) -> list[Column[str]]:
    return [Column(name, _Str, nullable=False) for name in names]


state = Table(
    "books_state",
    metadata,
    _key("id"),
    *_ints("version"),
    *_texts("ledger"),
    *_ints("height", "revision"),
    *_texts("block_hash"),
)
"""One row: which ledger, the block up to which it has been read, and how often lots were made anew."""

marks = Table("books_marks", metadata, _key("height"), *_ints("timestamp", "entry", "line"))
"""Of each block with entries: its time, its last entry and its last posting."""

assets = Table("books_assets", metadata, _key("asset_id"), *_texts("token", "asset", "terms_hash"), *_ints("maturity"))
accounts = Table("books_accounts", metadata, _key("account_id"), *_texts("address"))
owners = Table("books_owners", metadata, _name("address"), _key("height"), *_texts("party"))
"""Since which block a wallet belongs to which party."""

entries = Table(
    "books_entries",
    metadata,
    _key("entry"),
    *_ints("height", "timestamp", "position"),
    *_texts("transaction_hash", "kind", "reference", "plan_hash"),
)
postings = Table(
    "books_postings", metadata, _key("line"), *_ints("entry", "account_id", "asset_id", "amount", "balance")
)
"""Debits (+) and credits (-); `balance` is the account's after it. Of every entry and asset the amounts add up to 0."""
Index("books_postings_of_account", postings.c.account_id, postings.c.asset_id, postings.c.line)

positions = Table(
    "books_positions", metadata, _key("account_id"), _key("asset_id"), *_ints("balance", "frozen", "held")
)
"""Latest balances; frozen and held units as the events tell them."""

trades = Table(
    "books_trades",
    metadata,
    _key("trade"),
    *_ints("entry"),
    *_texts("party", "asset"),
    *_ints("units"),
    *_texts("currency"),
    *_ints("cash"),
    *_texts("basis"),
    *_ints("held"),
)
"""`held` is what the party has of the security after it, collateral it gave included."""
Index("books_trades_of_party", trades.c.party, trades.c.asset, trades.c.trade)
flows = Table(
    "books_flows",
    metadata,
    _key("flow"),
    *_ints("entry"),
    *_texts("party", "account", "about", "currency"),
    *_ints("cash"),
)
Index("books_flows_of_party", flows.c.party, flows.c.flow)

lots = Table(
    "books_lots",
    metadata,
    _name("method"),
    _key("lot"),
    *_ints("entry"),
    *_texts("party", "asset"),
    *_ints("units", "cost"),
    *_texts("currency", "basis"),
    *_ints("remaining", "remaining_cost"),
)
"""`lot` is the trade that opened it."""
Index("books_lots_of_party", lots.c.party, lots.c.asset)
closures = Table(
    "books_closures",
    metadata,
    _name("method"),
    _key("trade"),
    _key("part"),
    *_ints("lot", "entry", "units", "cost", "proceeds"),
    *_texts("party", "asset", "basis"),
)
Index("books_closures_of_party", closures.c.party, closures.c.entry)

elections = Table("books_elections", metadata, _key("trade"), _key("lot"), *_ints("units"))
"""Specific identification: units of a lot for a disposal."""
declared = Table("books_declared", metadata, _key("trade"), *_ints("cash"), *_texts("source"))
"""Cash of a trade for which the ledger shows none, as its party declared it."""

coupons = Table("books_coupons", metadata, _name("coupon_id"), *_texts("token", "payer"), *_ints("recovery"))
payers = Table("books_payers", metadata, _name("token"), *_texts("payer", "numerator", "denominator"))
"""Who funds a redemption, and its cash per unit of face: beyond 64 bits, so text."""
custody = Table("books_custody", metadata, *map(_name, ("custodian", "account", "token")), *_ints("units"))
requests = Table("books_requests", metadata, _name("request_id"), *_texts("holder"))
"""Of early redemption, over ones too."""
pieces = Table("books_pieces", metadata, _name("bond"), _key("place"), *_texts("token", "numerator", "denominator"))
"""What a bond is stripped into, by tokens; fractions of its face are beyond 64 bits, so text."""
acts = Table("books_acts", metadata, _name("act_id"), *_texts("kind", "bond", "holder"), *_ints("face"))
"""Bonds taken apart or put together, complete or not."""
pools = Table(
    "books_pools",
    metadata,
    *map(_name, ("method", "act_id", "party", "asset")),
    *_ints("units", "cost"),
    *_texts("currency", "basis"),
)
"""What an act that is not complete took of a party at cost and has not brought yet."""
repos = Table(
    "books_repos",
    metadata,
    _name("repo_id"),
    *_texts("lender", "borrower"),
    *_ints("principal", "rate_e9", "start", "end", "accrued_to"),
    *_texts("accrued"),
    *_ints("open"),
)
"""`accrued` is principal x rate in 10^-9 x days, summed: beyond 64 bits, so text."""
options = Table(
    "books_options",
    metadata,
    _name("option_id"),
    *_ints("kind"),
    *_texts("writer", "holder", "token"),
    *_ints("face", "payment", "until"),
    *_texts("status"),
)
nets = Table(
    "books_nets",
    metadata,
    _name("ccp"),
    _key("opens"),
    *(_name(name) for name in ("token", "cash", "member")),
    *_ints("bought", "paid", "sold", "received"),
)
"""What is open of what CCPs netted, gross, by wallets and tokens; `opens` is the start of the settlement date."""
holds = Table("books_holds", metadata, _name("token"), _name("hold_id"), *_texts("holder"), *_ints("units"))
terms = Table("books_terms", metadata, _name("asset"), *_texts("terms_hash", "terms"))
"""Terms of securities, as JSON; their hash is the one the token was made with."""

OF_THE_READER = (state, elections, declared, terms)
"""What is not made of events alone."""
