"""What is due of the early redemption queue and of trades that were agreed for a date, and what an act on it does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from tbill_defi.automation.firing import Evaluation, Firing
from tbill_defi.automation.rules import QueueTrigger, Rule
from tbill_defi.automation.scene import Scene
from tbill_defi.conventions.calendars import SETTLEMENT
from tbill_defi.core.clock import NEW_YORK
from tbill_defi.core.errors import TbillError
from tbill_defi.core.money import format_cents
from tbill_defi.ledger.early_redemption import MOST_STEPS, EarlyRedemption
from tbill_defi.ledger.trade_terms import TradeState, TradeStatus
from tbill_defi.ledger.trades import Trades


@dataclass(frozen=True, slots=True)
class Queued:
    """Requests at the front of a security's queue that were made before the time of the day: how many, and the face
    that a strike of them would redeem, base units.
    """

    cusip: str
    requests: int
    face_units: int


def queues(rule: Rule, trigger: QueueTrigger, scene: Scene) -> Evaluation:
    """Queues that can be struck: once each settlement day, from the rule's time on, for what was asked before it."""
    cut = _at(scene, trigger.at)
    if not SETTLEMENT.is_good(scene.today):
        return Evaluation((), f"{scene.today} is not a settlement day")
    if scene.now < cut:
        upcoming = datetime.fromtimestamp(cut, NEW_YORK).isoformat()
        return Evaluation((), f"the time of {scene.today} is still to come", upcoming)
    queue, firings = EarlyRedemption(scene.ledger), []
    problems: list[TbillError] = []
    for cusip, (window, _) in queue.windows().items():
        waiting = [one for one in queue.waiting(cusip) if one.made_at < cut]
        if not waiting or not window.opens_at <= scene.now < window.closes_at:
            continue
        try:
            steps = min(len(waiting), MOST_STEPS)
            face = queue.foretold(cusip, steps=steps)
        except TbillError as error:
            problems.append(error)
            continue
        if face:
            front = waiting[0]
            event = f"{cusip} queue of {scene.today} from 0x{front.request_id.hex()} at {front.face_units}"
            reason = f"{len(waiting)} requests of {cusip} wait, {format_cents(face)} can be redeemed"
            firings.append(Firing(rule, event, reason, Queued(cusip, steps, face)))
    return Evaluation(tuple(firings), f"{len(firings)} queues to strike", problems=tuple(problems))


def trades(rule: Rule, scene: Scene) -> Evaluation:
    """The party's open trades whose settlement date has come; each part that settles is an event of its own."""
    found, ahead, lapsed = [], [], []
    for state in Trades(scene.ledger).all():
        if state.status is not TradeStatus.OPEN or rule.party not in sides(state, scene):
            continue
        name = f"trade 0x{state.trade_id.hex()}"
        if scene.now > state.terms.deadline:
            lapsed.append(name[:18])
        elif scene.now < state.terms.opens:
            ahead.append(state.terms.opens)
        else:
            open_face = f"{format_cents(state.open_face)} open"
            late = ", a fail" if scene.now > state.terms.closes else ""
            event = f"{name} with {state.settled} settled" + (f" on {scene.today}" if late else "")
            found.append(Firing(rule, event, f"{name[:18]}: {open_face}{late}", state.trade_id))
    why = f"{len(found)} trades to settle" + (f"; lapsed: {', '.join(lapsed)}" if lapsed else "")
    upcoming = datetime.fromtimestamp(min(ahead), NEW_YORK).isoformat() if ahead else None
    return Evaluation(tuple(found), why, upcoming)


def sides(state: TradeState, scene: Scene) -> tuple[str, str]:
    """Seller and buyer of a trade."""
    party = Trades(scene.ledger).party_of
    return party(state.terms.seller), party(state.terms.buyer)


def _at(scene: Scene, at: time) -> int:
    """Unix seconds of a New York time of the ledger's market date."""
    return int(datetime.combine(scene.today, at, NEW_YORK).timestamp())
