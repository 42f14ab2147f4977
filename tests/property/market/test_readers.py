"""Whatever happens to a valid file, a reader returns a typed frame or one DataError that names file and line."""

import json
import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbill_defi.core.errors import DataError
from tbill_defi.market.auctions import COLUMNS, parse_auctions
from tbill_defi.market.data import KINDS
from tbill_defi.market.fedinvest import parse_fedinvest
from tbill_defi.market.par_yields import parse_par_yields
from tbill_defi.market.reference_cpi import parse_reference_cpi
from tbill_defi.market.sample import COUPONS, _auctions_text, _sheet_text
from tbill_defi.market.sofr import parse_sofr
from tbill_defi.market.table import decode

DAY = date(2026, 3, 24)
FULL_AUCTION = {
    **dict.fromkeys(COLUMNS, ""),
    "cusip": "91282CPZ8",
    "type": "Note",
    "reopening": "No",
    "auctionDate": "2026-02-11",
    "issueDate": "2026-02-17",
    "datedDate": "2026-02-15",
    "maturityDate": "2036-02-15",
    "interestRate": "4.125000",
    "highYield": "4.1770",
    "highPrice": "99.578125",
    "tips": "No",
    "floatingRate": "No",
    "offeringAmount": "42000000000",
    "bidToCoverRatio": "2.390000",
}
TEXTS = {
    "par_yields": 'Date,"1 Mo","1.5 Month","10 Yr"\n03/25/2026,3.75,,4.40\n03/24/2026,3.74,3.72,4.39\n'
    '03/23/2026,3.73,3.71,4.34\n"03/20/2026","3.72","3.70","4.30"\n',
    "auctions": f"{','.join(FULL_AUCTION)}\n{','.join(FULL_AUCTION.values())}\n",
    "fedinvest": _sheet_text(),
    "sofr": "Date,SOFR\n2026-03-23,3.62\n2026-03-24,3.63\n2026-03-25,\n",
    "reference_cpi": "date,refCpi\n2026-03-23,324.49\n2026-03-24,324.5\n2026-03-25,324.51\n",
}
FISCAL = "cusip,security_type,reopening,auction_date,issue_date,dated_date,original_issue_date,maturity_date,"
FISCAL += "first_int_payment_date,int_rate,inflation_index_security,floating_rate,high_yield"
FISCAL_ROW = "91282CPZ8,Note,No,2026-02-11,2026-02-17,2026-02-15,null,2036-02-15,2026-08-15,4.125,No,No,4.177"
RECORD = dict(zip(FISCAL.split(","), FISCAL_ROW.split(","), strict=True))
LAYOUTS = [
    ("auctions", f"{FISCAL}\n{FISCAL_ROW}\n"),
    ("auctions", json.dumps({"data": [RECORD], "meta": {"count": 1}})),
    ("auctions", f"{FISCAL}\n{FISCAL_ROW}\n".replace(",", ";")),
    ("par_yields", "observation_date,DGS1MO,DGS10\n2026-03-23,.,4.34\n2026-03-24,3.74,4.39\n"),
    (
        "par_yields",
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" '
        'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"><entry><content><m:properties>'
        "<d:NEW_DATE>2026-03-24T00:00:00</d:NEW_DATE><d:BC_1_5MONTH>3.72</d:BC_1_5MONTH></m:properties></content>"
        "</entry></feed>",
    ),
    ("sofr", "Effective Date,Rate Type,Rate (%)\n03/24/2026,SOFR,3.63\n03/23/2026,SOFR,3.62\n\nNotes\n"),
    ("sofr", '{"refRates":[{"effectiveDate":"2026-03-24","type":"SOFR","percentRate":3.63}]}'),
]
PARSERS = {
    "par_yields": parse_par_yields,
    "auctions": parse_auctions,
    "fedinvest": lambda text, file: parse_fedinvest(text, file, DAY),
    "sofr": parse_sofr,
    "reference_cpi": parse_reference_cpi,
}
SHARP = st.sampled_from(
    [*'",\n\r\t\0 .-%/:', "\ufeff", "٣", "NaN", "inf", "1e9", "-", "99999999999999999999", "é", "<"]
)
JUNK = st.one_of(SHARP, st.text(max_size=8))


def assert_frame_or_one_line(kind, raw):
    """(frame, None), or (None, what is said) after a DataError in the house's form; anything else fails the test."""
    try:
        frame = PARSERS[kind](decode(raw, "bad.csv"), "bad.csv")
    except DataError as error:
        message = str(error)
        assert re.match(r"bad\.csv( (line|record|entry) \d+(, (column|field) \".*\")?)?: ", message), message
        assert "\n" not in message
        assert len(message) < 1000
        return None, message
    assert dict(frame.schema) == KINDS[kind].schema
    assert frame.height > 0
    assert frame.select(KINDS[kind].key).is_unique().all()
    return frame, None


@pytest.mark.parametrize(("kind", "text"), LAYOUTS)
@settings(derandomize=True, deadline=None, max_examples=200)
@given(data=st.data())
def test_other_layouts_spliced_anywhere(kind, text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 6)))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-16"]))
    assert_frame_or_one_line(kind, (text[:start] + data.draw(JUNK) + text[end:]).encode(encoding, "surrogatepass"))


@pytest.mark.parametrize("kind", KINDS)
@settings(derandomize=True, deadline=None, max_examples=300)
@given(data=st.data())
def test_text_spliced_anywhere(kind, data):
    text = TEXTS[kind]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 6)))
    assert_frame_or_one_line(kind, (text[:start] + data.draw(JUNK) + text[end:]).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("kind", KINDS)
@settings(derandomize=True, deadline=None, max_examples=200)
@given(data=st.data())
def test_bytes_spliced_anywhere(kind, data):
    raw = TEXTS[kind].encode()
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 6)))
    assert_frame_or_one_line(kind, raw[:start] + data.draw(st.binary(max_size=6)) + raw[end:])


@pytest.mark.parametrize("kind", KINDS)
@settings(derandomize=True, deadline=None, max_examples=200)
@given(data=st.data())
def test_lines_dropped_doubled_and_cut(kind, data):
    lines = TEXTS[kind].splitlines()
    picked = data.draw(st.lists(st.sampled_from(lines), max_size=12))
    cut = "\n".join(picked)[: data.draw(st.integers(0, 2000))]
    frame, message = assert_frame_or_one_line(kind, cut.encode())
    if message is None:
        made_up = set(frame.rows()) - set(PARSERS[kind](TEXTS[kind], "good.csv").rows())
        assert len(made_up) <= 1, "only the last field of the last line may have been cut unseen"


@pytest.mark.parametrize("kind", KINDS)
@settings(derandomize=True, deadline=None, max_examples=300)
@given(data=st.data())
def test_a_bad_cell_names_its_line_or_leaves_the_other_rows(kind, data):
    lines = (_auctions_text() if kind == "auctions" else TEXTS[kind]).splitlines()
    number = data.draw(st.integers(1 if kind == "fedinvest" else 2, len(lines)))
    cells = lines[number - 1].split(",")
    column = data.draw(st.integers(0, len(cells) - 1))
    cells[column] = data.draw(st.text(st.characters(exclude_characters='",\n\r', codec="utf-8"), max_size=12))
    spoilt = "\n".join([*lines[: number - 1], ",".join(cells), *lines[number:]])
    frame, message = assert_frame_or_one_line(kind, spoilt.encode())
    if message is not None:
        assert re.match(rf"bad\.csv line {number}[,:]", message) or f": line {number} has the same" in message
        return
    whole = PARSERS[kind]("\n".join(lines), "good.csv")
    same = set(frame.rows()) & set(whole.rows())
    assert len(same) >= whole.height - 1
    assert frame.height == whole.height


def test_the_sample_has_rows_to_spoil():
    assert len(COUPONS) > 10
