"""Which firings of a rule are due: read from the ledger and the market, no key needed, nothing changed."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from tbill_defi.automation import schedule, settling
from tbill_defi.automation.dues import Status, coupon_dues, principal_dues
from tbill_defi.automation.firing import Evaluation, Firing
from tbill_defi.automation.rules import (
    CouponTrigger,
    DriftTrigger,
    DurationTrigger,
    MarginCallAction,
    MarginTrigger,
    MaturityTrigger,
    QueueTrigger,
    RebalanceAction,
    Rule,
    ScheduleTrigger,
    TradesTrigger,
)
from tbill_defi.automation.scene import Scene
from tbill_defi.conventions.calendars import TRADING
from tbill_defi.core.clock import NEW_YORK
from tbill_defi.core.errors import DataError, PlanError, TbillError
from tbill_defi.core.money import format_cents
from tbill_defi.ledger.repo import Repos
from tbill_defi.ledger.repo_state import Mark, RepoState, RepoStatus
from tbill_defi.portfolio.metrics import measure
from tbill_defi.portfolio.plan import CURRENCY


def evaluate(rule: Rule, scene: Scene) -> Evaluation:
    """What is due of a rule; what cannot be known is a problem, never an exception."""
    try:
        _require_parties(rule, scene)
        match rule.trigger:
            case ScheduleTrigger():
                return _schedule(rule, rule.trigger, scene)
            case DriftTrigger() | DurationTrigger() if not TRADING.is_good(scene.today):
                return Evaluation((), f"{scene.today} is not a trading day")
            case DriftTrigger():
                return _on_the_day(rule, scene, _drift(rule, rule.trigger, scene))
            case DurationTrigger():
                return _on_the_day(rule, scene, _duration(rule, rule.trigger, scene))
            case MaturityTrigger() if isinstance(rule.action, RebalanceAction):
                return _near_maturity(rule, rule.trigger, scene)
            case MaturityTrigger():
                return _matured(rule, scene)
            case CouponTrigger():
                return _coupons(rule, scene)
            case MarginTrigger():
                return _margin(rule, scene)
            case QueueTrigger():
                return settling.queues(rule, rule.trigger, scene)
            case TradesTrigger():
                return settling.trades(rule, scene)
    except TbillError as error:
        return Evaluation((), "cannot be told", problems=(error,))


def _require_parties(rule: Rule, scene: Scene) -> None:
    """The rule's parties are on the ledger."""
    named = {"party": rule.party}
    if isinstance(rule.action, RebalanceAction):
        named["counterparty"] = rule.action.counterparty
    known = scene.ledger.books().parties()
    for field, name in named.items():
        if name not in known:
            raise DataError(f"{field} {name!r} is not on this ledger; known: {', '.join(sorted(known))}")


def is_settled(firing: Firing, scene: Scene) -> bool:
    """Whether a rebalance of this firing settled, or its nonce was cancelled by the party: the contract's own word."""
    wallet = scene.ledger.address_of(firing.rule.party)
    nonce = int.from_bytes(firing.id(scene.ledger), "big")
    used: bool = scene.ledger.call("Settlement", scene.ledger.contracts.settlement, "isNonceUsed", wallet, nonce)
    return used


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, NEW_YORK).isoformat()


# --- rebalances -----------------------------------------------------------------------------------------------------


def _schedule(rule: Rule, trigger: ScheduleTrigger, scene: Scene) -> Evaluation:
    day, later = schedule.latest(trigger, scene.now), schedule.following(trigger, scene.now)
    upcoming = None if later is None else _moment(later)
    if day is None:
        return Evaluation((), "its first time is still to come", upcoming)
    firing = Firing(rule, day.isoformat(), f"{trigger.every} of {day} at {trigger.at:%H:%M} New York", day)
    if is_settled(firing, scene):
        return Evaluation((), f"{day} is settled", upcoming)
    age = (scene.today - day).days
    if age > trigger.late_days:
        return Evaluation((), f"{day} was missed and is let go, {age} days later", upcoming)
    if not TRADING.is_good(scene.today):
        return Evaluation((), f"{day} is due; {scene.today} is not a trading day", upcoming)
    return Evaluation((firing,), firing.reason, upcoming)


def _drift(rule: Rule, trigger: DriftTrigger, scene: Scene) -> tuple[bool, str]:
    if trigger.targets is not None:
        targets = {**trigger.targets, CURRENCY: 1.0 - sum(trigger.targets.values())}
        source = "the targets given"
    else:
        plan = scene.last_plan(rule.party)
        if plan is None:
            raise PlanError(f"{rule.party} has no settled plan in {scene.home / 'plans'}; settle one, or give targets")
        targets, source = scene.planned_weights(plan), f"plan {plan.hash[:10]} of {plan.trade_date}"
    now = scene.weights(rule.party)
    gaps = {name: now.get(name, 0.0) - targets.get(name, 0.0) for name in sorted({*now, *targets})}
    worst = max(gaps, key=lambda name: abs(gaps[name]))
    size = abs(gaps[worst])
    side = "above" if size > trigger.tolerance else "within"
    said = f"{worst} is {gaps[worst] * 100:+.2f}% of NAV from {source}, {side} the tolerance of"
    return size > trigger.tolerance, f"{said} {trigger.tolerance * 100:.2f}%"


def _duration(rule: Rule, trigger: DurationTrigger, scene: Scene) -> tuple[bool, str]:
    wallet = scene.ledger.wallet(rule.party)
    duration = measure(scene.view, wallet.positions, wallet.cash).duration
    inside = trigger.lower <= duration <= trigger.upper
    side = "inside" if inside else "outside"
    return not inside, f"duration {duration:.3f} y is {side} {trigger.lower:g}-{trigger.upper:g}"


def _on_the_day(rule: Rule, scene: Scene, found: tuple[bool, str]) -> Evaluation:
    """A condition acts once per market date."""
    due, why = found
    firing = Firing(rule, scene.today.isoformat(), why, scene.today)
    if due and is_settled(firing, scene):
        return Evaluation((), f"{why}; {scene.today} is settled")
    return Evaluation((firing,) if due else (), why)


def _near_maturity(rule: Rule, trigger: MaturityTrigger, scene: Scene) -> Evaluation:
    maturities = sorted((scene.maturity(cusip), cusip) for cusip in scene.ledger.wallet(rule.party).positions)
    if not maturities:
        return Evaluation((), f"{rule.party} holds no security")
    day, cusip = maturities[0]
    left = (day - scene.today).days
    opens = None if left <= trigger.within_days else (day - timedelta(days=trigger.within_days)).isoformat()
    why = f"{cusip} matures on {day}, in {left} days"
    if opens is None and not TRADING.is_good(scene.today):
        return Evaluation((), f"{why}; {scene.today} is not a trading day")
    found = _on_the_day(rule, scene, (opens is None, why))
    return Evaluation(found.firings, found.why, opens)


# --- life of a security -----------------------------------------------------------------------------------------------


def _matured(rule: Rule, scene: Scene) -> Evaluation:
    firings, ahead, stuck = [], [], []
    for due in principal_dues(scene):
        match due.status:
            case Status.NEXT:
                ahead.append(due.payable)
            case Status.DUE:
                event = f"{due.cusip} matured {due.maturity}"
                reason = f"{event}, {format_cents(due.face_units)} outstanding"
                firings.append(Firing(rule, event, reason, (due.cusip, due.payable)))
            case _:
                stuck.append(f"{due.cusip}, in default" if due.status is Status.DEFAULT else f"{due.cusip}, on hold")
    why = f"{len(firings)} matured securities to redeem" + (f"; not: {'; '.join(stuck)}" if stuck else "")
    return Evaluation(tuple(firings), why, min(ahead).isoformat() if ahead else None)


def _coupons(rule: Rule, scene: Scene) -> Evaluation:
    firings: list[Firing] = []
    ahead: list[date] = []
    problems: list[TbillError] = []
    for cusip in scene.registered:
        try:
            for due in coupon_dues(scene, cusip):
                if due.status is Status.NEXT:
                    ahead.append(due.payable)
                elif due.status is Status.DUE:
                    event = f"{cusip} coupon {due.day}"
                    subject = (cusip, due.day, due.payable)
                    firings.append(Firing(rule, event, f"{event}, payable {due.payable}", subject))
        except TbillError as error:
            problems.append(error)
    next_ = min(ahead).isoformat() if ahead else None
    return Evaluation(tuple(firings), f"{len(firings)} coupons to pay", next_, tuple(problems))


# --- repos --------------------------------------------------------------------------------------------------------


def _margin(rule: Rule, scene: Scene) -> Evaluation:
    repos, firings, notes = Repos(scene.ledger), [], []
    problems: list[TbillError] = []
    own = [r for r in repos.all() if r.status is RepoStatus.OPEN and rule.party in (r.lender, r.borrower)]
    for repo in own:
        try:
            why, due = _margin_of(rule, repo, repos, scene)
        except TbillError as error:
            problems.append(error)
            continue
        notes.append(why)
        if due:
            event = f"repo 0x{repo.repo_id.hex()} act {repo.acts} on {scene.today}"
            firings.append(Firing(rule, event, why, repo.repo_id))
    deadlines = [at for repo in own for at in (repo.call_deadline, repo.overdue_at) if at > scene.now]
    why = "; ".join(notes) or f"{rule.party} has no repo to mark"
    return Evaluation(tuple(firings), why, _moment(min(deadlines)) if deadlines else None, tuple(problems))


def closes_out(rule: Rule, repo: RepoState, mark: Mark, now: int) -> bool:
    """Whether the rule has its party, the lender, close out: a call not met by its deadline, or no repurchase."""
    wanted = isinstance(rule.action, MarginCallAction) and rule.action.unmet == "close-out"
    unmet = mark.deficit_units > 0 and 0 < mark.call_deadline < now
    return wanted and rule.party == repo.lender and (unmet or repo.is_overdue(now))


def _margin_of(rule: Rule, repo: RepoState, repos: Repos, scene: Scene) -> tuple[str, bool]:
    mark, name = repos.coverage(repo.repo_id), f"repo 0x{repo.repo_id.hex()[:10]}"
    called = bool(mark.call_deadline)
    standing = f"{name} is covered"
    if repo.is_overdue(scene.now):
        standing = f"{name} was not repurchased on {repo.end_date}: the lender may close out"
        if closes_out(rule, repo, mark, scene.now):
            return standing, True
    if not mark.deficit_units:
        return (f"{name} covers again, its call can end", True) if called else (standing, False)
    short = f"{name} is short of {format_cents(mark.deficit_units)}"
    if not called:
        return f"{short}; no call is open", True
    delivers = isinstance(rule.action, MarginCallAction) and rule.action.deliver != "nothing"
    if delivers and rule.party == repo.borrower:
        return f"{short}, called until {_moment(mark.call_deadline)}", True
    if scene.now > mark.call_deadline:
        unmet = f"{short}, the call was not met by {_moment(mark.call_deadline)}: the lender may close out"
        return unmet, closes_out(rule, repo, mark, scene.now)
    return f"{short}, called until {_moment(mark.call_deadline)}", False
