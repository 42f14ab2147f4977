"""The same facts in every layout in which they are published read equal, to the market hash.

Facts: TreasuryDirect's auction results of June 2026, the Treasury's par yields and the New York Fed's SOFR of March
2026; layouts as their publishers describe them (see the readers' docstrings).
"""

import json
from datetime import date

import polars as pl
import pytest

from tbill_defi.core.errors import DataError
from tbill_defi.market import MarketStore, read_auctions, read_par_yields, read_sofr, snapshot
from tbill_defi.market.sample import _auctions_text, _sheet_text
from tbill_defi.market.store import sniff
from tbill_defi.market.table import decode

# one of each type: TreasuryDirect's name, FiscalData's name, then a column per auction
AUCTIONS = """
cusip                    cusip                     912797UH8   91282CQY0   912810UV8        91282CQP9       91282CQM6
type                     -                         Bill        Note        Bond             TIPS            FRN
securityType             security_type             Bill        Note        Bond             Note            Note
securityTerm             security_term             13-Week     2-Year      19-Year_11-Month 4-Year_10-Month 1-Year_10-Month
reopening                reopening                 Yes         No          Yes              Yes             Yes
announcementDate         announcemt_date           2026-06-18  2026-06-18  2026-06-11       2026-06-11      2026-06-18
auctionDate              auction_date              2026-06-22  2026-06-23  2026-06-16       2026-06-18      2026-06-24
issueDate                issue_date                2026-06-25  2026-06-30  2026-06-22       2026-06-30      2026-06-26
datedDate                dated_date                -           2026-06-30  2026-05-15       2026-04-15      2026-04-30
originalIssueDate        original_issue_date       2026-03-26  -           2026-06-01       2026-04-30      2026-04-30
maturityDate             maturity_date             2026-09-24  2028-06-30  2046-05-15       2031-04-15      2028-04-30
firstInterestPaymentDate first_int_payment_date    -           2026-12-31  2026-11-15       2026-10-15      2026-07-31
interestRate             int_rate                  -           4.125000    5.000000         1.250000        -
highYield                high_yield                -           4.1890      4.9270           1.9550          -
highDiscountRate         high_discnt_rate          3.695000    -           -                -               -
highInvestmentRate       high_investment_rate      3.782000    -           -                -               -
highPrice                high_price                99.065986   99.878432   100.909218       98.854348       100.040980
pricePer100              price_per100              99.065986   99.878432   100.909218       98.854348       100.040980
accruedInterestPer1000   accrued_int_per1000       -           -           5.1630400000     -               -
tips                     inflation_index_security  No          No          No               Yes             No
floatingRate             floating_rate             No          No          No               No              Yes
refCpiOnIssueDate        ref_cpi_on_issue_date     -           -           -                332.926430      -
refCpiOnDatedDate        ref_cpi_on_dated_date     -           -           -                325.967400      -
indexRatioOnIssueDate    index_ratio_on_issue_date -           -           -                1.021350        -
unadjustedPrice          unadj_price               -           -           -                96.787926       -
adjustedPrice            adj_price                 -           -           -                98.8543480000   -
spread                   spread                    -           -           -                -               0.1030
highDiscountMargin       high_discnt_margin        -           -           -                -               0.079000
bidToCoverRatio          bid_to_cover_ratio        2.680000    2.640000    2.750000         2.610000        2.990000
offeringAmount           offering_amt              89000000000 69000000000 13000000000      24000000000     28000000000
totalAccepted            total_accepted            95111880100 79328705800 13000031700      27592591700     28000162200
cashManagementBillCMB    cash_management_bill_cmb  No          No          No               No              No
"""  # noqa: E501
LINES = [line.split() for line in AUCTIONS.strip().splitlines()]
DIRECT = [{line[0]: line[k].replace("_", " ").replace("-", "", line[k] == "-") for line in LINES} for k in range(2, 7)]
FISCAL = [
    {"record_date": "2026-06-24"}
    | {line[1]: "null" if line[k] == "-" else line[k].replace("_", " ") for line in LINES if line[1] != "-"}
    for k in range(2, 7)
]
ANNOUNCED = {**dict.fromkeys(FISCAL[0], "null"), "cusip": "91282CRA1", "security_type": "Note", "reopening": "No"}
ANNOUNCED |= {"auction_date": "2026-07-08", "issue_date": "2026-07-15", "maturity_date": "2029-07-15"}


def csv_of(records, delimiter=","):
    header = list(records[0])
    return "\n".join(delimiter.join(row) for row in [header, *([r[name] for name in header] for r in records)]) + "\n"


def fiscal_json(records, **meta):
    return json.dumps({"data": records, "meta": {"count": len(records), "total-pages": 1, **meta}, "links": {}})


def long_dates(records):
    return [
        {name: f"{v}T00:00:00" if name.endswith("Date") and v[:2] == "20" else v for name, v in r.items()}
        for r in records
    ]


AUCTION_FILES = {
    "TreasuryDirect CSV": csv_of(DIRECT).encode(),
    "TreasuryDirect semicolons": csv_of(DIRECT, ";").encode("utf-8-sig"),
    "TreasuryDirect UTF-16": csv_of(DIRECT, "\t").encode("utf-16"),
    "TreasuryDirect UTF-16 semicolons, no mark": csv_of(DIRECT, ";").encode("utf-16-le"),
    "TreasuryDirect JSON list": json.dumps(long_dates(DIRECT)).encode(),
    "TreasuryDirect JSON query": json.dumps({"totalResultsCount": 5, "securityList": long_dates(DIRECT)}).encode(),
    "FiscalData CSV": csv_of(FISCAL).encode(),
    "FiscalData CSV, empty for null": csv_of(FISCAL).replace("null", "").encode(),
    "FiscalData JSON": fiscal_json(FISCAL).encode(),
    "FiscalData JSON, null for null": fiscal_json(FISCAL).replace('"null"', "null").encode(),
    "FiscalData JSON with an announcement": fiscal_json([ANNOUNCED, *reversed(FISCAL)]).encode(),
}
YIELDS = {
    "CSV": 'Date,"3 Mo","10 Yr","30 Yr"\n03/24/2026,3.74,4.39,4.94\n03/23/2026,3.71,4.34,\n',
    "semicolons": "Date;3 Mo;10 Yr;30 Yr\n2026-03-23;3.71;4.34;\n2026-03-24;3.74;4.39;4.94\n",
    "FRED": "observation_date,DGS3MO,DGS10,DGS30\n2026-03-22,.,.,.\n"
    "2026-03-23,3.71,4.34,.\n2026-03-24,3.74,4.39,4.94\n",
    "FRED, empty": "observation_date,DGS30,DGS10,DGS3MO\n2026-03-22,,,\n"
    "2026-03-23,,4.34,3.71\n2026-03-24,4.94,4.39,3.74\n",
    "FRED until 2024": "DATE,DGS3MO,DGS10,DGS30\n2026-03-23,3.71,4.34,.\n2026-03-24,3.74,4.39,4.94\n",
    "XML": """<?xml version="1.0" encoding="utf-8" standalone="yes"?>
<feed xml:base="http://data.treasury.gov/Feed.svc/" xmlns="http://www.w3.org/2005/Atom"
 xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices"
 xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">
<title type="text">DailyTreasuryYieldCurveRateData</title>
<entry><content type="application/xml"><m:properties>
<d:NEW_DATE m:type="Edm.DateTime">2026-03-23T00:00:00</d:NEW_DATE>
<d:BC_3MONTH m:type="Edm.Double">3.71</d:BC_3MONTH><d:BC_10YEAR m:type="Edm.Double">4.34</d:BC_10YEAR>
<d:BC_30YEAR m:type="Edm.Double" m:null="true" /><d:BC_30YEARDISPLAY m:type="Edm.Double">0</d:BC_30YEARDISPLAY>
</m:properties></content></entry>
<entry><content type="application/xml"><m:properties>
<d:NEW_DATE m:type="Edm.DateTime">2026-03-24T00:00:00</d:NEW_DATE>
<d:BC_3MONTH m:type="Edm.Double">3.74</d:BC_3MONTH><d:BC_10YEAR m:type="Edm.Double">4.39</d:BC_10YEAR>
<d:BC_30YEAR m:type="Edm.Double">4.94</d:BC_30YEAR>
</m:properties></content></entry></feed>
""",
}
NEW_YORK = (
    "Effective Date,Rate Type,Rate (%),1st Percentile (%),Volume ($Billions),Revision Indicator (Y/N),Footnote ID\n"
)
SOFR = {
    "plain": "Date,SOFR\n2026-03-23,3.62\n2026-03-24,3.63\n",
    "FRED": "observation_date,SOFR\n2026-03-23,3.62\n2026-03-24,3.63\n",
    "FRED until 2024": "DATE,SOFR\n2026-03-23,3.62\n2026-03-24,3.63\n",
    "New York Fed": NEW_YORK + "03/24/2026,SOFR,3.63,3.55,3001,,\n03/23/2026,SOFR,3.62,3.55,2987,,\n",
    "New York Fed, notes below": NEW_YORK
    + "03/24/2026,SOFR,3.63,3.55,3001,,\n03/23/2026,SOFR,3.62,3.55,2987,,\n"
    + "\nNotes:,,,,,,\nRates are in percent, rounded, see https://x.\n\n",
    "New York Fed, all rates": NEW_YORK
    + "03/24/2026,SOFRAI,,,,,\n03/24/2026,SOFR,3.63,3.55,3001,,\n03/24/2026,EFFR,3.64,,99,,\n"
    + "03/23/2026,SOFR,3.62,3.55,2987,,\n",
    "New York Fed JSON": json.dumps(
        {
            "refRates": [
                {"effectiveDate": "2026-03-24", "type": "SOFR", "percentRate": 3.63, "volumeInBillions": 3001},
                {"effectiveDate": "2026-03-24", "type": "SOFRAI", "average30day": 3.65, "index": 1.2},
                {"effectiveDate": "2026-03-23", "type": "SOFR", "percentRate": 3.62, "revisionIndicator": ""},
            ]
        }
    ),
}


@pytest.mark.parametrize("layout", AUCTION_FILES)
def test_auctions(put, layout):
    raw = AUCTION_FILES[layout]
    assert sniff(decode(raw, "a"), "a") == "auctions"
    frame = read_auctions(put("file.txt", raw))
    assert frame["type"].to_list() == ["Bond", "TIPS", "Bill", "Note", "FRN"]
    note = frame.row(3, named=True)
    assert (note["cusip"], note["interestRate"], note["totalAccepted"]) == ("91282CQY0", 0.04125, 79_328_705_800)
    assert (note["securityTerm"], note["originalIssueDate"]) == ("2-Year", None)
    assert frame.equals(read_auctions(put("reference", AUCTION_FILES["TreasuryDirect CSV"])))


@pytest.mark.parametrize("layout", YIELDS)
def test_par_yields(put, layout):
    assert sniff(YIELDS[layout], "a") == "par_yields"
    frame = read_par_yields(put("file.txt", YIELDS[layout]))
    assert frame.select("date", "3 Mo", "10 Yr", "30 Yr").rows() == [
        (date(2026, 3, 23), 0.0371, 0.0434, None),
        (date(2026, 3, 24), 0.0374, 0.0439, 0.0494),
    ]
    others = frame.select(pl.exclude("date", "simulated", "3 Mo", "10 Yr", "30 Yr"))
    assert others.null_count().sum_horizontal().item() == 22


@pytest.mark.parametrize("layout", SOFR)
def test_sofr(put, layout):
    assert sniff(SOFR[layout], "a") == "sofr"
    assert read_sofr(put("file.txt", SOFR[layout])).rows() == [(date(2026, 3, 23), 0.0362), (date(2026, 3, 24), 0.0363)]


def test_every_layout_gives_the_same_market_hash(tmp_path, put):
    """The sample's auctions as CSV and as FiscalData's JSON, and each layout of the other two."""
    header, *lines = (line.split(",") for line in _auctions_text().splitlines())
    known = {line[0]: line[1] for line in LINES}
    sample = []
    for line in lines:
        row = dict(zip(header, line, strict=True))
        row["securityType"] = row.pop("type")
        sample.append({known[name]: value or "null" for name, value in row.items()})
    direct = "\n".join(",".join([*line, "Bond" if line[1] == "Bond" else line[1]]) for line in lines)
    texts = {
        "auctions": [",".join([*header, "securityType"]) + "\n" + direct, fiscal_json(sample), csv_of(sample)],
        "par_yields": list(YIELDS.values()),
        "sofr": list(SOFR.values()),
    }
    hashes = set()
    for turn in range(max(map(len, texts.values()))):
        store = MarketStore(tmp_path / str(turn))
        store.import_file(put("fedinvest_2026-03-24.csv", _sheet_text()))
        for kind, variants in texts.items():
            assert store.import_file(put("file.txt", variants[turn % len(variants)])).kind == kind
        hashes.add(snapshot(store.load(), date(2026, 3, 24)).content_hash())
    assert len(hashes) == 1


def changed(text, old, new):
    assert old in text
    return text.replace(old, new, 1)


REFUSALS = {
    "record and field": (
        read_auctions,
        fiscal_json([FISCAL[0], {**FISCAL[1], "high_yield": "4,189"}]),
        'f record 2, field "high_yield": "4,189" is not a number (expected percent such as 4.21)',
    ),
    "line and column, own name": (
        read_auctions,
        csv_of([FISCAL[0], {**FISCAL[1], "maturity_date": "30.06.2028"}]),
        'f line 3, column "maturity_date": "30.06.2028" is not a date',
    ),
    "null where a value must be": (
        read_auctions,
        fiscal_json([{**FISCAL[1], "int_rate": "null"}]),
        'f record 1, field "int_rate": "" is empty (expected percent such as 4.125)',
    ),
    "column lacks": (
        read_auctions,
        fiscal_json([{name: value for name, value in FISCAL[0].items() if name != "floating_rate"}]),
        'f: header lacks column "floating_rate"',
    ),
    "two types at once": (
        read_auctions,
        fiscal_json([{**FISCAL[3], "floating_rate": "Yes"}]),
        'f record 1, field "security_type": "Note" is flagged as TIPS and FRN at once',
    ),
    "a type of its own": (
        read_auctions,
        fiscal_json([{**FISCAL[1], "security_type": "Strip"}]),
        'f record 1, field "security_type": "Strip" is not a type of security',
    ),
    "twice": (
        read_auctions,
        fiscal_json([FISCAL[1], FISCAL[1]]),
        'f record 2, field "cusip": "91282CQY0" is a duplicate: record 1 has the same CUSIP and auction date',
    ),
    "announcements only": (read_auctions, fiscal_json([ANNOUNCED]), "f: announces auctions and has the result of none"),
    "cut off": (read_auctions, fiscal_json(FISCAL, count=7), 'f: holds 5 records where its meta counts "7"'),
    "half a download": (read_auctions, fiscal_json(FISCAL)[:900], "f line 1: is not JSON"),
    "an error for an answer": (
        read_auctions,
        '{"error": "Invalid Query Param", "message": "x"}',
        'f: is JSON with "error, message" and no records (expected one of data, refRates, securityList, or a list)',
    ),
    "nothing found": (read_auctions, fiscal_json([]), "f: has no record; the query it answers found nothing"),
    "not a record": (read_auctions, '{"data": [1]}', "f record 1: is not an object of fields"),
    "a nested record": (read_auctions, '[{"cusip": ["x"]}]', 'f record 1, field "cusip": "["x"]" is neither text nor'),
    "a field twice": (read_auctions, '[{"cusip": "x", "cusip": "y"}]', 'f: field "cusip" is there twice in one record'),
    "nested for ever": (read_auctions, "[" * 100_000, "f: is JSON nested too deeply"),
    "another series": (
        read_par_yields,
        changed(YIELDS["FRED"], "DGS30", "BAA"),
        'f line 1: column "BAA" is not a par yield (expected some of DGS1MO, DGS3MO,',
    ),
    "a word for a yield": (
        read_par_yields,
        changed(YIELDS["FRED"], "4.39", "n.a."),
        'f line 4, column "DGS10": "n.a." is not a number (expected percent such as 4.21)',
    ),
    "holidays only": (read_par_yields, "DATE,DGS10\n2026-01-01,.\n", "f: has no value in any row"),
    "an entry's value": (
        read_par_yields,
        changed(YIELDS["XML"], ">4.39<", ">4.3.9<"),
        'f entry 2, field "BC_10YEAR": "4.3.9" is not a number (expected percent such as 4.21)',
    ),
    "an unknown tenor": (
        read_par_yields,
        YIELDS["XML"].replace("BC_10Y", "BC_11Y"),
        'f: field "BC_11YEAR" is not a tenor',
    ),
    "half a feed": (read_par_yields, YIELDS["XML"][:900], "f line 13: is not XML"),
    "a bomb": (
        read_par_yields,
        changed(YIELDS["XML"], "<feed", '<!DOCTYPE x [<!ENTITY a "aa">]><feed'),
        "f: is XML with a document type",
    ),
    "another rate": (read_sofr, SOFR["New York Fed JSON"].replace('"SOFR"', '"EFFR"'), '"EFFR" is another rate'),
    "an unknown rate": (
        read_sofr,
        changed(SOFR["New York Fed, all rates"], "EFFR", "LIBOR"),
        'f line 4, column "Rate Type": "LIBOR" is another rate (expected SOFR)',
    ),
    "a note that is a row": (
        read_sofr,
        SOFR["New York Fed"] + "03/20/2026,SOFR\n",
        'f line 4: has 2 fields (expected 7): "03/20/2026,SOFR"',
    ),
    "a bad date in the last row": (
        read_sofr,
        SOFR["New York Fed"] + "O3/20/2026,SOFR,3.61,,,,\n",
        'f line 4, column "Effective Date": "O3/20/2026" is not a date',
    ),
    "rows after a note": (
        read_sofr,
        changed(SOFR["New York Fed"], "03/23", "Note\n03/23"),
        'f line 3: has 1 fields (expected 7): "Note"',
    ),
    "a rate that is none": (
        read_sofr,
        changed(SOFR["New York Fed JSON"], "3.63", "NaN"),
        'f record 1, field "percentRate": "NaN" is not a number (expected percent such as 4.21)',
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(put, tmp_path, case):
    read, text, problem = REFUSALS[case]
    path = put("f", text)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(problem) or problem in str(caught.value)
    assert "\n" not in str(caught.value)
    store = MarketStore(tmp_path / "home")
    with pytest.raises(DataError):
        store.import_file(path)
    assert not store.folder.exists()


def test_two_kinds_in_one_file_of_fred(put, tmp_path):
    path = put("file.txt", "observation_date,DGS10,SOFR\n2026-03-23,4.34,3.62\n2026-03-24,4.39,3.63\n")
    store = MarketStore(tmp_path)
    with pytest.raises(DataError, match="has both par yields and SOFR; import it twice, naming the kind each time"):
        store.import_file(path)
    assert store.import_file(path, kind="par_yields").new == 2
    assert store.import_file(path, kind="sofr").new == 2
    assert store.frame("par_yields")["10 Yr"].to_list() == [0.0434, 0.0439]
    assert store.frame("sofr")["rate"].to_list() == [0.0362, 0.0363]


def test_series_of_fred_one_file_each(put, tmp_path):
    store = MarketStore(tmp_path)
    store.import_file(put("file.txt", "observation_date,DGS10\n2026-03-23,4.34\n2026-03-24,4.39\n"))
    report = store.import_file(put("file.txt", "observation_date,DGS2\n2026-03-23,3.88\n2026-03-24,3.90\n"))
    assert (report.new, report.changed) == (0, 2)
    assert store.frame("par_yields").select("2 Yr", "10 Yr").rows() == [(0.0388, 0.0434), (0.0390, 0.0439)]
