"""STRIPS on the ledger: a holder takes his note or bond apart, and puts it together again.

The pieces of a bond are named once, by the issuer: interest by payment date, the principal last; each is a security of
its own with its own token. What a face gives is exact: only a face whose interest is whole base units is taken apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import lcm

from tbill_defi.chain.types import Receipt
from tbill_defi.core.errors import UsageError
from tbill_defi.instruments import Bond, Note, Strip, strip
from tbill_defi.ledger.abi import decode_log, encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import OPERATOR, Ledger

BEGUN = ("StrippingBegun", "ReconstitutionBegun")
PIECES_PER_TRANSACTION = 24
"""Pieces in one transaction: their gas stays below a quarter of 2^24."""


@dataclass(frozen=True, slots=True)
class Stripped:
    """An act that is complete: CUSIP -> face of the strips delivered or taken in, base units."""

    act_id: bytes
    pieces: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OpenAct:
    """An act that is not complete: whose it is, face of the bond in base units, how many pieces are still to come."""

    act_id: bytes
    cusip: str
    holder: str
    face_units: int
    joining: bool
    pieces_left: int


class Stripping:
    """Stripping and reconstitution on a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._desk = ledger.contracts.stripping

    def name_pieces(self, bond: Note | Bond, interest_cusips: Mapping[date, str], principal_cusip: str) -> None:
        """Create the strips of a bond that the ledger lacks, and name them as its pieces, once.

        Parameters
        ----------
        interest_cusips
            Payment date -> CUSIP of interest due on it: one security, whatever bond it comes from.

        Raises
        ------
        LedgerError
            "UnknownAsset" if the ledger does not have the bond, "PiecesAlreadyNamed".
        """
        pieces = strip(bond, interest_cusips=interest_cusips, principal_cusip=principal_cusip)
        token = self._ledger.require_token(bond.cusip)
        words = []
        for piece, face in sorted(pieces.items(), key=lambda entry: (entry[0].maturity_date, entry[1])):
            place, steps = self._ledger.creation_steps(piece)
            self._ledger.send(steps)
            part = Fraction(face, 100)
            words.append((place, part.numerator, part.denominator))
        data = encode_call("Stripping", "namePieces", token, words)
        self._ledger.send([Step("issuer", self._desk, data)])

    def strip(self, party: str, bond: Note | Bond, face_units: int) -> Stripped:
        """Take a face of a party's bond apart.

        Raises
        ------
        UsageError
            If its interest is no multiple of its strips' denominations; names the face that gives one.
        LedgerError
            "PiecesNotNamed", "SecurityEnded", "DealingRestricted", or what the token says of the party's units.
        """
        return self._act("strip", party, bond, face_units)

    def reconstitute(self, party: str, bond: Note | Bond, face_units: int) -> Stripped:
        """Put a face of a bond together from a party's strips of every payment to come. Errors as of `strip`."""
        return self._act("reconstitute", party, bond, face_units)

    def seize(self, act_id: bytes, party: str) -> None:
        """Let the enforcer give what is still to come of an act to another party, as a court has it.

        Raises
        ------
        LedgerError
            "ActIsOver" if nothing is to come.
        """
        data = encode_call("Stripping", "seize", act_id, self._ledger.address_of(party))
        self._ledger.send([Step("enforcer", self._desk, data)])

    def finish(self, act: OpenAct, *, give_up: bool = False) -> Stripped:
        """Go on with an act to its end; or let its holder give a reconstitution up and have its pieces back.

        Raises
        ------
        LedgerError
            "PaymentDatePassed" of a reconstitution that can only be given up, "NotReconstituting" of what is none, or
            what the token says of the holder.
        """
        receipts: list[Receipt] = []
        if give_up:
            receipts += self._ledger.send(
                [Step(act.holder, self._desk, encode_call("Stripping", "giveUp", act.act_id))]
            )
        by = act.holder if act.joining and not give_up else OPERATOR
        return self._finished(act.act_id, by, receipts)

    def open_acts(self) -> list[OpenAct]:
        """Acts that are not complete, as they were begun."""
        ledger, found = self._ledger, []
        books = ledger.books()
        names = books.tokens()
        for event in ledger.chain.events(names=BEGUN, addresses=(self._desk,)):
            act_id = bytes.fromhex(event.arguments["actId"][2:])
            act = ledger.call("Stripping", self._desk, "actOf", act_id)
            left = act["end"] - act["next"]
            if left:
                holder, cusip = books.party_of("0x" + act["holder"].hex()), names[event.arguments["bond"]]
                found.append(OpenAct(act_id, cusip, holder, act["face"], act["joining"], left))
        return found

    def find(self, digits: str) -> OpenAct:
        """The act that is not complete which the first digits of an id name.

        Raises
        ------
        UsageError
            If they name none, or several.
        """
        wanted = digits.removeprefix("0x").lower()
        found = [act for act in self.open_acts() if wanted and act.act_id.hex().startswith(wanted)]
        if len(found) != 1:
            many = f"{len(found)} acts begin so; give more digits" if found else "no act that is not complete begins so"
            raise UsageError(f"act: {digits!r}: {many}")
        return found[0]

    def _act(self, function: str, party: str, bond: Note | Bond, face_units: int) -> Stripped:
        token = self._ledger.require_token(bond.cusip)
        multiple = lcm(smallest_face(bond), self._deliverable(token))
        if face_units <= 0 or face_units % multiple:
            raise UsageError(
                f"{function}: {face_units} base units of {bond.cusip} are no multiple of {multiple}: no whole strips"
            )
        data = encode_call("Stripping", function, token, face_units, PIECES_PER_TRANSACTION)
        receipts = list(self._ledger.send([Step(party, self._desk, data)]))
        act_id = next(bytes.fromhex(event["actId"][2:]) for name, event in _events(receipts) if name in BEGUN)
        return self._finished(act_id, OPERATOR if function == "strip" else party, receipts)

    def _finished(self, act_id: bytes, by: str, receipts: list[Receipt]) -> Stripped:
        """Carry an act on to its end; what `receipts` and the transactions after them moved."""
        while True:
            act = self._ledger.call("Stripping", self._desk, "actOf", act_id)
            if act["next"] == act["end"]:
                break
            data = encode_call("Stripping", "carryOn", act_id, PIECES_PER_TRANSACTION)
            receipts += self._ledger.send([Step(by, self._desk, data)])
        names = self._ledger.books().tokens()
        moved = {
            names[event["token"]]: int(event["amount"]) for name, event in _events(receipts) if name == "PieceMoved"
        }
        return Stripped(act_id, moved)

    def _deliverable(self, token: bytes) -> int:
        """Base units of face whose multiples, and their pieces, are multiples of every denomination."""
        call, registry = self._ledger.call, self._ledger.contracts.asset_registry
        faces = [call("AssetRegistry", registry, "denominationOf", token)]
        for piece in call("Stripping", self._desk, "piecesOf", token):
            lot = call("AssetRegistry", registry, "denominationOf", piece["token"])
            faces.append(Fraction(piece["numerator"], piece["denominator"] * lot).denominator)
        return lcm(*faces)


def smallest_face(bond: Note | Bond) -> int:
    """Base units of face whose multiples give whole base units of every strip."""
    return lcm(*(Fraction(face, 100).denominator for face in strip(bond).values()))


def principal_of(bond: Note | Bond, cusip: str) -> Strip:
    """Terms of a bond's principal strip."""
    return Strip(cusip=cusip, maturity_date=bond.maturity_date, principal_of=bond.cusip)


def _events(receipts: Sequence[Receipt]) -> list[tuple[str, Mapping[str, str]]]:
    found = [decode_log(log) for receipt in receipts for log in receipt.logs]
    return [(event.name, event.arguments) for event in found if event is not None]
