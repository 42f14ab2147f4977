from __future__ import annotations

import json
from datetime import date
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from tbill_defi.core.errors import ConventionError
from tbill_defi.core.hashing import keccak256
from tbill_defi.instruments import ANY_SECURITY, AnySecurity, Bill, Bond, Note, Tips, read_security, terms_hash

NOTE: dict[str, Any] = {
    "cusip": "91282CQX2",
    "coupon": 0.04125,
    "dated_date": date(2026, 6, 30),
    "maturity_date": date(2031, 6, 30),
}
BILL: dict[str, Any] = {"cusip": "912797SC2", "issue_date": date(2025, 9, 25), "maturity_date": date(2026, 3, 26)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coupon": 4.125}, "coupon: 4.125 looks like percent; give a decimal such as 0.04125"),
        ({"coupon": 412.5}, "coupon: 412.5 is above 0.20"),
        ({"coupon": -0.01}, "coupon: -0.01 is not a rate; give a decimal in [0, 0.20] such as 0.04125"),
        ({"coupon": float("nan")}, "coupon: nan is not a rate; give a decimal in [0, 0.20] such as 0.04125"),
        ({"coupon": "a"}, "coupon: 'a' is not a decimal number such as 0.04125"),
        ({"coupon": True}, "coupon: True is not a decimal number such as 0.04125"),
        ({"coupon": None}, "coupon: None is not a decimal number such as 0.04125"),
        ({"cusip": "91282C"}, "cusip: '91282C' is not nine characters of 0-9 and A-Z, such as 91282CPZ8"),
        ({"cusip": 912}, "cusip: 912 is not text"),
        ({"dated_date": "30/06/2026"}, "dated_date: '30/06/2026' is not a date such as 2026-08-15"),
        (
            {"maturity_date": date(2026, 6, 30)},
            "dated_date: 2026-06-30 must be before maturity_date 2026-06-30",
        ),
        (
            {"maturity_date": date(2131, 6, 30)},
            "maturity_date: 2131-06-30 is more than 50 years after 2026-06-30",
        ),
        (
            {"first_coupon_date": date(2026, 12, 30)},
            "first_coupon_date: 2026-12-30 is not one of 2026-12-31, 2027-06-30, 2027-12-31: "
            "the first cycle dates of maturity 2031-06-30 after dated_date 2026-06-30",
        ),
        ({"issue_date": date(2026, 6, 29)}, "dated_date: 2026-06-30 must be on or before issue_date 2026-06-29"),
        ({"issue_date": date(2031, 6, 30)}, "issue_date: 2031-06-30 must be before maturity_date 2031-06-30"),
        (
            {"price": 99.0},
            "Note: price is not a field; the fields are "
            "cusip, coupon, dated_date, maturity_date, first_coupon_date, penultimate_coupon_date, issue_date",
        ),
    ],
)
def test_one_error_names_field_value_and_cure(change: dict[str, Any], message: str) -> None:
    # the CUSIP of the terms is named, where it is not what is wrong
    message = message if "cusip" in change else f"{message} (91282CQX2)"
    with pytest.raises(ConventionError) as direct:
        Note(**{**NOTE, **change})
    assert str(direct.value) == message
    with pytest.raises(ConventionError) as read:
        read_security({"kind": "note", **NOTE, **change})
    assert str(read.value) == message


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ConventionError, match="Bill: issue_date is missing; the fields are cusip, issue_date"):
        Bill(cusip="912797SC2", maturity_date=date(2026, 3, 26))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"kind": "perpetual"}', "kind: 'perpetual' is not one of bill, note, bond, tips, frn, strip"),
        ("{}", "kind: None is not one of bill, note, bond, tips, frn, strip"),
        ("[]", "security"),
        ("nonsense", "Invalid JSON"),
    ],
)
def test_unreadable_text_is_one_error(text: str, message: str) -> None:
    with pytest.raises(ConventionError, match=message):
        read_security(text)


def test_a_bill_runs_at_most_a_year() -> None:
    assert Bill(cusip="912797SC2", issue_date=date(2025, 3, 26), maturity_date=date(2026, 3, 26))
    with pytest.raises(ConventionError, match="maturity_date: 2026-03-27 is more than a year after"):
        Bill(cusip="912797SC2", issue_date=date(2025, 3, 26), maturity_date=date(2026, 3, 27))
    with pytest.raises(ConventionError, match="issue_date: 2026-03-26 must be before maturity_date 2026-03-26"):
        Bill(cusip="912797SC2", issue_date=date(2026, 3, 26), maturity_date=date(2026, 3, 26))


TERMS = [Note(**NOTE), Bond(**NOTE), Bill(**BILL), Tips(**NOTE, dated_reference_cpi=331.10053)]


@pytest.mark.parametrize("security", TERMS, ids=lambda s: s.kind)
def test_json_round_trip_and_schema(security: AnySecurity) -> None:
    text = security.model_dump_json()
    assert read_security(text) == security
    assert type(security).model_validate_json(text) == security
    schema = ANY_SECURITY.json_schema()
    jsonschema.validate(json.loads(text), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(text), "price": 99.0}, schema)


def test_terms_are_frozen_and_hashable() -> None:
    note = Note(**NOTE)
    with pytest.raises(ValidationError, match="frozen"):
        note.coupon = 0.05  # type: ignore[misc]
    assert len({note, Note(**NOTE)}) == 1


def test_terms_hash_is_keccak_of_canonical_json() -> None:
    expected = (
        b'{"coupon":0.04125,"cusip":"91282CQX2","dated_date":"2026-06-30","kind":"note","maturity_date":"2031-06-30"}'
    )
    assert terms_hash(Note(**NOTE)) == keccak256(expected)
    others = [
        Bond(**NOTE),
        Note(**{**NOTE, "coupon": 0.0425}),
        Note(**{**NOTE, "first_coupon_date": date(2027, 6, 30)}),
        Note(**{**NOTE, "issue_date": date(2026, 7, 1)}),
    ]
    assert len({terms_hash(other) for other in others} | {keccak256(expected)}) == 5
