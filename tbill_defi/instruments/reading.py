"""Any security from its text, and the hash of its terms."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from tbill_defi.core.errors import ConventionError
from tbill_defi.core.hashing import json_hash
from tbill_defi.instruments.corporate import CorporateBond
from tbill_defi.instruments.frn import Frn
from tbill_defi.instruments.municipal import MunicipalBond
from tbill_defi.instruments.securities import Bill, Bond, Note, Security
from tbill_defi.instruments.strips import Strip
from tbill_defi.instruments.terms import Terms, named, one_line
from tbill_defi.instruments.tips import Tips

AnySecurity = Bill | Note | Bond | Tips | Frn | Strip | CorporateBond | MunicipalBond
"""Every kind of security; `Security` are those whose nominal flows the terms alone fix."""

CallableBond = CorporateBond | MunicipalBond
"""Bonds of other issuers: on 30/360, with a call schedule."""

ANY_SECURITY: TypeAdapter[AnySecurity] = TypeAdapter(Annotated[AnySecurity, Field(discriminator="kind")])
"""Reads and writes `AnySecurity`, told apart by `kind`; its `json_schema()` is the file format."""

KINDS: dict[str, type[Terms]] = {
    "bill": Bill,
    "note": Note,
    "bond": Bond,
    "tips": Tips,
    "frn": Frn,
    "strip": Strip,
    "corporate": CorporateBond,
    "municipal": MunicipalBond,
}


def read_security(data: str | bytes | dict[str, Any]) -> AnySecurity:
    """A security from its JSON text or mapping.

    Raises
    ------
    ConventionError
        One line that names field, value and what would be right.
    """
    try:
        return ANY_SECURITY.validate_python(data) if isinstance(data, dict) else ANY_SECURITY.validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"].startswith("union_tag"):
            given = data.get("kind") if isinstance(data, dict) else first.get("input", {})
            given = given.get("kind") if isinstance(given, dict) else given
            raise ConventionError(f"kind: {given!r} is not one of {', '.join(KINDS)}") from None
        kind = str(first["loc"][0]) if first["loc"] else "security"
        fields = KINDS[kind].model_fields if kind in KINDS else ()
        raise ConventionError(named(one_line(kind, fields, error), data)) from None
    except ConventionError as error:
        raise ConventionError(named(str(error), data)) from None


def require_nominal(security: AnySecurity) -> Security:
    """`security` if it is of the Treasury and its terms alone fix what it pays in dollars: a bill, a note or a bond.

    Raises
    ------
    ConventionError
        If it is another kind; names it.
    """
    if isinstance(security, Bill | Note | Bond):
        return security
    raise ConventionError(
        f"{security.cusip}: a {security.kind} is not held here, "
        "only what the Treasury pays in fixed dollars: bill, note or bond"
    )


@lru_cache(maxsize=16_384)
def terms_hash(security: AnySecurity) -> bytes:
    """Keccak-256 of the RFC 8785 canonical JSON of the terms, absent fields left out; 32 bytes.

    It goes into the security token, so a token can be tied to the very terms that were priced.
    """
    return json_hash(security.model_dump(mode="json", exclude_none=True))
