"""Fold the events of a transaction into entries; see `entries`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, ClassVar

from tbill_defi.core.clock import market_date, new_york_midnight
from tbill_defi.ledger.deployment import Contracts
from tbill_defi.ledger.fail_claims import claimed_month
from tbill_defi.ledger.index.effects import ACT_TRANSFER, is_currency
from tbill_defi.ledger.index.entries import Known, Movement, Option, Repo, legs_of, text
from tbill_defi.ledger.index.frames import Values
from tbill_defi.ledger.index.life_events import LifeFrames
from tbill_defi.ledger.index.nets import Gross, NetKey

DAY_SECONDS = 86_400
CALL = 0
FAILS = "fails-charge"


class Folder(LifeFrames):
    """Folds transactions in order; `known` is what it has learnt, and may be loaded from where it was kept."""

    def __init__(self, contracts: Contracts, known: Known) -> None:
        super().__init__(contracts, known)
        self._option_book = "0x" + contracts.option_book.hex()

    def _on_Settled(self, values: Values) -> None:  # noqa: N802 - the event's name
        sequence, movements = self._take(legs_of(values))
        frame = next((frame for frame in reversed(self._frames) if frame.settles), None)
        plan = values["planHash"] if int(values["planHash"], 16) else ""
        if frame is None:
            month = self._fails_charge(values["contextHash"], movements)
            what = ("settlement", sequence, values["instructionHash"]) if month is None else (FAILS, sequence, month)
            entry = self._entry(*what, plan_hash=plan, movements=movements)
            self._done.append(entry)
            return
        frame.settles -= 1
        frame.entry.movements += movements
        frame.entry.plan_hash = plan
        frame.entry.sequence = min(frame.entry.sequence, sequence)

    def _fails_charge(self, context: str, movements: Sequence[Movement]) -> str | None:
        """Month of the claim that a payment of cash alone settles; None: it settles none."""
        if len(movements) != 1 or not int(context, 16) or not is_currency(self.known.assets[movements[0].token]):
            return None
        token, source, target, _ = movements[0]
        parties = self.known.party_of(source), self.known.party_of(target)
        today = market_date(self._now.timestamp)
        return claimed_month(bytes.fromhex(context[2:]), *parties, self.known.assets[token], today)

    # --- clearing houses ----------------------------------------------------------------------------------------

    def _on_Novated(self, values: Values) -> None:  # noqa: N802
        """Nothing moves: the CCP takes over what is owed, from each side."""
        units, cash = int(values["face"]), int(values["proceeds"])
        for member, gross in ((values["seller"], (0, 0, units, cash)), (values["buyer"], (units, cash, 0, 0))):
            self.known.nets.setdefault(self._net(values, member), Gross()).add(Gross(*gross))
        self._open("novation", values["tradeId"], trade=True)

    def _on_NetSettled(self, values: Values) -> None:  # noqa: N802
        key, reference = self._net(values, values["member"]), values["instructionHash"]
        part = self.known.nets[key].take(int(values["faceMoved"]), int(values["cashMoved"]))
        if not self.known.nets[key]:
            del self.known.nets[key]
        frame = next((frame for frame in self._frames if frame.entry.reference == reference), None)
        frame = frame or self._open("net-settlement", reference, settles=1, nets=[])
        frame.entry.facts["nets"].append((key, part))

    def _net(self, values: Values, member: str) -> NetKey:
        ccp = self._sources.houses.ccp(self._now.log.address)
        assert ccp is not None  # or it would not be believed
        return NetKey(ccp, int(values["opens"]), values["asset"], values["cash"], member)

    # --- registries ---------------------------------------------------------------------------------------------

    def _on_AssetRegistered(self, values: Values) -> None:  # noqa: N802
        self.known.assets[values["token"]] = text(values["assetId"])

    def _on_SecurityCreated(self, values: Values) -> None:  # noqa: N802
        self.known.securities[text(values["cusip"])] = (values["termsHash"], int(values["maturity"]))

    def _on_WalletRegistered(self, values: Values) -> None:  # noqa: N802
        wallet, party = values["wallet"], text(values["identity"])
        before = self.known.party_of(wallet)
        self.known.parties[wallet] = party
        if before != party:
            kept = [(self.known.assets[token], units) for token, units in self._kept_for(wallet)]
            facts = {"before": before, "wallet": wallet, "kept": kept, "claims": list(self._claims_of(wallet))}
            self._done.append(self._entry("reassignment", self._now.sequence, wallet, facts=facts))
            for _, act in sorted(self.known.acts.items(), key=itemgetter(0)):
                if act.holder == wallet:
                    self._open(ACT_TRANSFER, act.act_id, before=before, wallet=wallet)

    def _kept_for(self, wallet: str) -> Iterator[tuple[str, int]]:
        """(token, units) that custodians have for a wallet."""
        for (_, account, token), units in self.known.custody.items():
            if units and self.known.beneficiary(account) == wallet:
                yield token, units

    def _claims_of(self, wallet: str) -> Iterator[tuple[str, str, int]]:
        """(account, about, cash) of what a wallet is owed, or owes (-): repos, and cash set aside for puts; by id."""
        for _, repo in sorted(self.known.repos.items(), key=itemgetter(0)):
            owed = repo.principal * ((repo.lender == wallet) - (repo.borrower == wallet))
            if repo.open and owed:
                yield "repo", repo.repo_id, owed
        for _, option in sorted(self.known.options.items(), key=itemgetter(0)):
            if option.kind != CALL and option.writer == wallet and option.status in ("written", "open"):
                yield "escrow", option.option_id, option.payment

    def _on_WalletRecovered(self, values: Values) -> None:  # noqa: N802
        """What a lost wallet asked for or began is its successor's, also if that goes to another party later."""
        known, lost, successor = self.known, values["wallet"], values["successor"]
        known.requests = {name: successor if of == lost else of for name, of in known.requests.items()}
        for act in known.acts.values():
            if act.holder == lost:
                known.acts[act.act_id] = act._replace(holder=successor)

    # --- tokens -------------------------------------------------------------------------------------------------

    def _frozen(self, token: str, values: Values) -> None:
        self.known.frozen[values["account"], token] = int(values["amount"])
        if not int(values["amount"]):
            del self.known.frozen[values["account"], token]
        self.restricted[values["account"], token] = None

    def _hold_created(self, token: str, values: Values) -> None:
        holder, units = values["holder"], int(values["amount"])
        self.known.holds[token, values["id"]] = (holder, units)
        self._held(holder, token, units)

    def _hold_ended(self, token: str, values: Values) -> None:
        holder, units = self.known.holds.pop((token, values["id"]), (values["holder"], 0))
        self._held(holder, token, -units)

    def _held(self, holder: str, token: str, change: int) -> None:
        units = self.known.held.get((holder, token), 0) + change
        self.known.held[holder, token] = units
        if not units:
            del self.known.held[holder, token]
        self.restricted[holder, token] = None

    def _hold_followed(self, token: str, values: Values) -> None:
        holder, units = self.known.holds[token, values["id"]]
        if holder == values["lost"]:
            self.known.holds[token, values["id"]] = (values["successor"], units)
            self._held(holder, token, -units)
            self._held(values["successor"], token, units)

    def _hold_executed(self, token: str, values: Values) -> None:
        self._hold_ended(token, values)
        movement = Movement(token, values["holder"], values["to"], int(values["amount"]))
        if any(found == movement for _, found in self._pending):
            self._explain("hold-execution", [movement], values["id"])

    def _forced(self, token: str, values: Values) -> None:
        movement = Movement(token, values["from"], values["to"], int(values["amount"]))
        self._explain("forced-transfer", [movement])

    # --- repos --------------------------------------------------------------------------------------------------

    def _on_RepoOpened(self, values: Values) -> None:  # noqa: N802
        terms, repo_id = values["terms"], values["repoId"]
        start = int(terms["start"])
        self.known.repos[repo_id] = Repo(
            repo_id,
            values["lender"],
            values["borrower"],
            int(terms["cash"]),
            int(terms["rateE9"]),
            start,
            int(terms["end"]),
            start,
        )
        self._open("repo-open", repo_id, settles=1, custody=True, principal=int(terms["cash"]))

    def _on_RepoFollowed(self, values: Values) -> None:  # noqa: N802
        repo = self.known.repos[values["repoId"]]
        repo.lender, repo.borrower = values["lender"], values["borrower"]

    def _accrued(self, repo: Repo) -> None:
        """Interest up to today: what is outstanding changes."""
        today = new_york_midnight(market_date(self._now.timestamp))
        days = (today - repo.accrued_to + DAY_SECONDS // 2) // DAY_SECONDS
        repo.accrued += repo.principal * repo.rate_e9 * days
        repo.accrued_to = today

    def _on_MarginDelivered(self, values: Values) -> None:  # noqa: N802
        repo, paid = self.known.repos[values["repoId"]], int(values["cash"])
        if paid:
            self._accrued(repo)
            repo.principal -= paid
        onward = Movement(self._usd, self._facility, repo.lender, paid)
        self._open("repo-margin", repo.repo_id, onward, settles=1, custody=True, principal=paid)

    def _on_CollateralSubstituted(self, values: Values) -> None:  # noqa: N802
        self._open("repo-substitution", values["repoId"], settles=1, custody=True)

    def _on_CollateralReleased(self, values: Values) -> None:  # noqa: N802
        self._open("repo-release", values["repoId"], custody=True)

    def _on_PartlyRepurchased(self, values: Values) -> None:  # noqa: N802
        repo, principal = self.known.repos[values["repoId"]], int(values["principal"])
        self._accrued(repo)
        self._repaid(repo, principal, 0)

    def _on_Repurchased(self, values: Values) -> None:  # noqa: N802
        repo = self.known.repos[values["repoId"]]
        repo.open = False
        self._repaid(repo, int(values["principal"]), int(values["interest"]))

    def _repaid(self, repo: Repo, principal: int, interest: int) -> None:
        repo.principal -= principal
        onward = Movement(self._usd, self._facility, repo.lender, principal + interest)
        self._open(
            "repo-repurchase", repo.repo_id, onward, settles=1, custody=True, principal=principal, interest=interest
        )

    def _on_ClosedOut(self, values: Values) -> None:  # noqa: N802
        repo = self.known.repos[values["repoId"]]
        debt, taken, shortfall = int(values["debt"]), int(values["lenderFace"]), int(values["shortfall"])
        back = int(values["borrowerFace"])
        settled = debt - shortfall
        principal = min(settled, repo.principal)
        tokens = {token for _, token, _ in self._custody}
        frame = self._open(
            "repo-close-out", repo.repo_id, custody=True, taken=taken, principal=principal, interest=settled - principal
        )
        frame.expected = []
        for token in tokens:
            for owner, units in ((repo.lender, taken), (repo.borrower, back)):
                if units:
                    self._expect_delivery(frame, token, owner, units)
        repo.open, repo.principal = False, repo.principal - principal

    # --- options ------------------------------------------------------------------------------------------------

    def _on_OptionWritten(self, values: Values) -> None:  # noqa: N802
        terms = values["terms"]
        option = Option(
            values["id"],
            int(terms["kind"]),
            values["writer"],
            values["holder"],
            self.known.token_of(text(terms["cusip"])),
            int(terms["face"]),
            int(values["payment"]),
            int(terms["exerciseUntil"]),
        )
        self.known.options[option.option_id] = option
        if option.kind != CALL:
            movement = Movement(self._usd, option.writer, self._option_book, option.payment)
            self._open("option-escrow", option.option_id, movement)

    def _on_OptionBought(self, values: Values) -> None:  # noqa: N802
        option = self.known.options[values["id"]]
        option.status = "open"
        onward = Movement(self._usd, self._option_book, option.writer, int(values["premium"]))
        self._open("option-premium", option.option_id, onward, settles=1)

    def _on_OptionExercised(self, values: Values) -> None:  # noqa: N802
        option = self.known.options[values["id"]]
        option.status = "exercised"
        frame = self._open("option-exercise", option.option_id, settles=1)
        if option.kind == CALL:
            frame.expected += [
                Movement(option.token, option.writer, option.holder, option.face),
                Movement(self._usd, self._option_book, option.writer, option.payment),
            ]
        else:
            frame.entry.facts = {"writer": option.writer, "payment": option.payment}

    def _on_OptionFollowed(self, values: Values) -> None:  # noqa: N802
        option = self.known.options[values["id"]]
        option.writer, option.holder = values["writer"], values["holder"]

    def _on_OptionExpired(self, values: Values) -> None:  # noqa: N802
        self._escrow_back(self.known.options[values["id"]], "expired")

    def _on_OptionWithdrawn(self, values: Values) -> None:  # noqa: N802
        self._escrow_back(self.known.options[values["id"]], "withdrawn")

    def _escrow_back(self, option: Option, status: str) -> None:
        option.status = status
        if option.kind != CALL:
            movement = Movement(self._usd, self._option_book, option.writer, option.payment)
            self._open("option-escrow", option.option_id, movement)

    of_tokens: ClassVar[Mapping[str, Callable[[Any, str, Values], None]]] = {
        "Frozen": _frozen,
        "HoldCreated": _hold_created,
        "HoldExecuted": _hold_executed,
        "HoldReleased": _hold_ended,
        "HoldExpired": _hold_ended,
        "HoldFollowed": _hold_followed,
        "ForcedTransfer": _forced,
    }
