"""What triggers look at: the ledger at its time, the home's market data at its market date, terms, settled plans."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

from tbill_defi.core.clock import market_date
from tbill_defi.core.errors import DataError, UnknownSecurity
from tbill_defi.core.files import read_text, write_durably
from tbill_defi.core.home import home_path
from tbill_defi.instruments import AnySecurity, read_security, terms_hash
from tbill_defi.ledger.coupons import Fixings
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.market.data import MarketData
from tbill_defi.market.fixings import fixings_on
from tbill_defi.market.store import MarketStore
from tbill_defi.market.universe import universe_on
from tbill_defi.portfolio.market_view import view
from tbill_defi.portfolio.plan import CURRENCY, RebalancePlan
from tbill_defi.portfolio.view import View

Weights = dict[str, float]
TERMS_FOLDER = "terms"
"""Folder of a home with the terms of what was issued from a file: CUSIP.json."""


class Scene:
    """One look at a ledger and a home. Wallets and contracts are read anew each time, market data once."""

    def __init__(self, ledger: Ledger, home: str | Path | None) -> None:
        self.ledger = ledger
        self.home = home_path(home)
        self.now = ledger.chain.now()
        self._terms: dict[str, AnySecurity] = {}

    @property
    def today(self) -> date:
        """New York date of the ledger's time at the start."""
        return market_date(self.now)

    @cached_property
    def data(self) -> MarketData:
        """The home's market files."""
        return MarketStore(self.home).load()

    @cached_property
    def view(self) -> View:
        """The market of the date. Raises `NoCurve` where there is none."""
        return view(self.today, data=self.data)

    @cached_property
    def fixings(self) -> Fixings:
        """Published figures that linked securities follow, as far as they are known on the date."""
        return Fixings(*fixings_on(self.data, self.today))

    @cached_property
    def registered(self) -> dict[str, int]:
        """CUSIP -> Unix seconds at which its token was registered, by CUSIP."""
        events = self.ledger.chain.events(names=("AssetRegistered",), addresses=(self.ledger.contracts.asset_registry,))
        books = self.ledger.books()
        assets, securities = books.tokens(), books.securities()
        found = {assets[event.arguments["token"]]: event.timestamp for event in events}
        return {cusip: found[cusip] for cusip in securities}

    def maturity(self, cusip: str) -> date:
        """Maturity date that a security's token carries."""
        return market_date(self.ledger.call("SecurityToken", self.token(cusip), "maturity"))

    def end(self, cusip: str) -> date:
        """Date on which its principal is due: its call, if notice of one was given, else its maturity."""
        issuance = self.ledger.contracts.issuance
        return market_date(self.ledger.call("Issuance", issuance, "endOf", self.token(cusip)))

    def in_default(self, cusip: str) -> bool:
        """Whether it is marked as in default: nothing is paid then but recoveries."""
        issuance = self.ledger.contracts.issuance
        return any(self.ledger.call("Issuance", issuance, "defaultOf", self.token(cusip)))

    def token(self, cusip: str) -> bytes:
        """Token of a security on the ledger; UnknownSecurity if it has none, or is a currency."""
        found = self.ledger.token_of(cusip)
        if found is None:
            raise UnknownSecurity(f"{cusip} has no token on this ledger")
        if cusip in self.ledger.books().decimals:
            raise UnknownSecurity(f"{cusip} is a currency, and no security")
        return found

    def terms(self, cusip: str) -> AnySecurity:
        """Terms of a security on the ledger, matured or not; they are those its token was made with.

        From the home's folder of terms, else from the records.

        Raises
        ------
        UnknownSecurity
            If no record names it.
        DataError
            If the records' terms are not the token's.
        """
        if cusip not in self._terms:
            self._terms[cusip] = self._found_terms(cusip)
        return self._terms[cusip]

    def keep(self, security: AnySecurity) -> None:
        """Keep terms in the home's folder, so that coupons and redemption find them."""
        folder = self.home / TERMS_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / f"{security.cusip}.json", security.model_dump_json(exclude_none=True).encode())

    def _found_terms(self, cusip: str) -> AnySecurity:
        kept = self.home / TERMS_FOLDER / f"{cusip}.json"
        security = read_security(read_text(kept)) if kept.is_file() else self._recorded_terms(cusip)
        if terms_hash(security) != self.ledger.call("SecurityToken", self.token(cusip), "termsHash"):
            raise DataError(f"{cusip}: the terms at hand are not those its token was made with")
        return security

    def _recorded_terms(self, cusip: str) -> AnySecurity:
        day = min(self.today, self.maturity(cusip) - timedelta(days=1))
        auctions, sheets = (
            [row for row in self.data.datasets[kind].known(self.today) if row["cusip"] == cusip]
            for kind in ("auctions", "fedinvest")
        )
        universe = universe_on(day, auctions, sheets)
        found = [*(listing.security for listing in universe.listings), *universe.linked]
        if not found:
            raise UnknownSecurity(f"{cusip}: no imported record has its terms; import the auctions that do")
        return found[0]

    def weights(self, party: str) -> Weights:
        """CUSIP (and USD) -> weight of what a party holds, at today's mid."""
        wallet = self.ledger.wallet(party)
        return weights(self.view, wallet.positions, wallet.cash)

    def last_plan(self, party: str) -> RebalancePlan | None:
        """The last plan of a party that settled here and is kept in the home."""
        for entry in reversed(self.ledger.tape()):
            path = self.home / "plans" / f"{entry.plan_hash}.json"
            if entry.plan_hash and path.is_file():
                plan = RebalancePlan.load(path)
                if plan.party == party:
                    return plan
        return None

    def planned_weights(self, plan: RebalancePlan) -> Weights:
        """Weights after a plan, at the mid of its own date."""
        positions = dict(plan.holdings.positions)
        for order in plan.orders:
            signed = order.face_units if order.side == "buy" else -order.face_units
            positions[order.cusip] = positions.get(order.cusip, 0) + signed
        given = plan.repo_rate if plan.repo_source == "given" else None
        then = view(plan.trade_date, data=self.data, repo_rate=given)
        return weights(then, positions, plan.holdings.cash_units - plan.net_cash_units)


def weights(market: View, positions: dict[str, int], cash_units: int) -> Weights:
    """CUSIP (and USD) -> share of NAV at mid, dirty; the cash's is there even if it is 0."""
    values = {
        cusip: face * float(market.mid_dirty[market.index(cusip)]) / 100.0 for cusip, face in positions.items() if face
    }
    values[CURRENCY] = float(cash_units)
    total = sum(values.values())
    return {name: value / total for name, value in values.items()} if total else values
