"""Whole runs against a local server that answers as the publishers do, well and badly."""

import json
from datetime import date

import pytest

from tbill_defi.core.errors import DataError
from tbill_defi.market.par_yields import TENORS
from tbill_defi.market.sync import feeds
from tbill_defi.market.sync.state import SyncFolder
from tests.unit.market.sync.conftest import NOW
from tests.unit.market.sync.publisher import LAST, cut, cut_unseen, instead, status

DAY = date(2026, 3, 20)


def whole_store(desk):
    """The store holds what the publisher has, from 2024 on."""
    par, sofr = desk.store.frame("par_yields"), desk.store.frame("sofr")
    expected = {day for day, _ in desk.publisher.curves if day.year >= 2024}
    assert set(par.filter(par["date"] >= date(2024, 1, 1))["date"]) == expected
    for row in par.filter(par["date"] >= date(2024, 1, 1)).iter_rows(named=True):
        for tenor in TENORS:
            assert row[tenor] == pytest.approx(float(desk.publisher.curves[row["date"], tenor]) / 100, abs=1e-15)
    assert set(sofr["date"]) == expected
    assert set(desk.store.frame("auctions")["cusip"]) == held(desk, "2024")
    return True


def held(desk, since):
    """CUSIPs of the auctions that were held, not only announced."""
    found = [record for record in desk.publisher.auctions if record["auction_date"] >= since]
    return {record["cusip"] for record in found if record["total_accepted"] != "null"}


def test_everything_at_once_and_again(desk):
    first = desk.sync()
    assert not any(report.faults for report in first.values())
    assert whole_store(desk)
    assert first["fred"].differing == 0
    assert first["fred"].new > 0, "FRED's decade begins in 2020"
    assert desk.publisher.agents == {"tbill_defi/test"}
    assert min(desk.slept) > 0, "there is a pause between requests"
    asked = len(desk.publisher.asked)
    again = desk.sync()
    assert whole_store(desk)
    assert sum(report.answers for report in again.values()) == 0
    assert [report.final for report in again.values()] == [2, 2, 2, 0]
    assert [report.unchanged for report in again.values()] == [1, 1, 1, 1]
    assert len(desk.publisher.asked) == asked + 4
    for _, headers in desk.publisher.asked[asked:]:
        assert headers["If-None-Match"].startswith('"')
        assert headers["If-Modified-Since"].endswith("GMT")


def test_recheck_asks_for_final_years_too(desk):
    desk.sync("treasury")
    desk.publisher.curves[date(2024, 5, 1), "10 Yr"] = "4.44"
    assert desk.sync("treasury")["treasury"].changed == 0
    found = desk.sync("treasury", recheck=True)["treasury"]
    assert (found.changed, found.unchanged, found.final) == (1, 2, 0)


def test_a_revised_value_keeps_both_dates(desk):
    desk.sync("treasury", "newyorkfed")
    old = float(desk.publisher.curves[DAY, "10 Yr"]) / 100
    desk.publisher.curves[DAY, "10 Yr"] = "4.99"
    desk.clock.advance(3600)
    found = desk.sync("treasury", "newyorkfed")["treasury"]
    assert found.changes == [f"{DAY}, 10 Yr: {old} -> 0.0499"]
    (revision,) = desk.store.sightings().revisions()
    assert (revision.first_seen, revision.revised_at) == (NOW, NOW + 3600)
    assert (revision.source, revision.new) == ("Treasury par yields", "0.0499")


def test_fred_fills_and_never_replaces(desk):
    desk.sync("fred")
    assert desk.store.frame("par_yields").filter(date=DAY)["4 Mo"][0] is None
    desk.sync("treasury")
    desk.publisher.curves[DAY, "10 Yr"] = "4.99"
    found = desk.sync("fred")["fred"]
    assert (found.differing, found.changed) == (1, 0)
    assert found.changes[0].endswith("-> 0.0499")
    assert desk.store.frame("par_yields").filter(date=DAY)["10 Yr"][0] != 0.0499


def test_pages_of_a_year_are_all_read(desk, monkeypatch):
    monkeypatch.setattr(feeds, "PAGE_SIZE", 10)
    report = desk.sync("fiscaldata", first="2025-01-01")["fiscaldata"]
    assert not report.faults
    assert report.answers > 7
    assert set(desk.store.frame("auctions")["cusip"]) == held(desk, "2025")


def test_a_killed_run_goes_on(desk, monkeypatch):
    monkeypatch.setattr(feeds, "PAGE_SIZE", 10)

    real = desk.store.add
    calls = []

    def add(*args, **more):
        calls.append(args[0])
        if len(calls) == 9:
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(desk.store, "add", add)
    with pytest.raises(KeyboardInterrupt):
        desk.sync("treasury", "fiscaldata")
    asked = len(desk.publisher.asked)
    report = desk.sync("treasury", "fiscaldata")
    assert report["treasury"].final == 2
    assert report["fiscaldata"].final > 0
    assert not report["fiscaldata"].faults
    again = [path for path, _ in desk.publisher.asked[asked:]]
    assert len(again) == len(set(again))
    monkeypatch.undo()
    assert set(desk.store.frame("auctions")["cusip"]) == held(desk, "2024")


def test_what_is_gone_from_the_store_is_asked_again(desk):
    desk.sync("newyorkfed")
    (desk.store.folder / "sofr.parquet").unlink()
    report = desk.sync("newyorkfed")["newyorkfed"]
    assert (report.answers, report.final, report.unchanged) == (3, 0, 0)
    assert desk.store.frame("sofr").height > 500


def test_another_address_is_another_source(desk):
    desk.sync("newyorkfed")
    before = len(desk.publisher.asked)
    path = desk.store.folder / "sync" / "state.json"
    path.write_text(path.read_text().replace("/newyorkfed?", "/elsewhere?"))
    desk.sync("newyorkfed")
    assert all("If-None-Match" not in headers for _, headers in desk.publisher.asked[before:])


def page(text):
    return "<!DOCTYPE html><html><body>Scheduled maintenance</body></html>"


def renamed(old, new):
    return lambda text: text.replace(old, new)


def only_head(text):
    return text.splitlines()[0] + "\n"


def half(text):
    lines = text.splitlines()
    return "\n".join(lines[: len(lines) // 2]) + "\n"


def shifted(text):
    return text.replace('"5 Yr","7 Yr"', '"7 Yr","5 Yr"')


def one_field_less(text):
    whole = json.loads(text)
    for record in whole["data"]:
        record["interest_rate"] = record.pop("int_rate")
    return json.dumps(whole)


def optional_field_renamed(text):
    whole = json.loads(text)
    for record in whole["data"]:
        record["high_yld"] = record.pop("high_yield")
    return json.dumps(whole)


def miscounted(text):
    whole = json.loads(text)
    whole["data"].pop()
    return json.dumps(whole)


BAD = [
    (
        "treasury",
        instead(page),
        "treasury 2026 line 1: is HTML or XML, not CSV; the download was",
    ),
    ("treasury", instead(renamed('"10 Yr"', '"Ten Years"')), 'column "Ten Years" is not a tenor'),
    ("treasury", instead(only_head), "treasury 2026: is empty, though 2026-01-01 to 2026-03-24 was asked for"),
    ("treasury", instead(""), "treasury 2026: is empty; expected a CSV file"),
    ("treasury", instead(half), "treasury 2026: has no row between 2026-01-01 and"),
    ("treasury", instead(renamed("/2026", "/2025")), "outside 2026-01-01 to 2026-03-24"),
    ("treasury", instead(renamed("03/24/2026", "03/25/2026")), "has a row of 2026-03-25, outside"),
    ("treasury", instead(renamed(",3.1", ",x.1")), '"x.1'),
    ("treasury", cut_unseen, "ends within a line, and the server did not say how long it is"),
    ("treasury", status(404), "treasury 2026: answers HTTP 404"),
    ("fiscaldata", instead(page), "fiscaldata 2026 page 1 line 1: is HTML or XML"),
    ("fiscaldata", instead(one_field_less), 'fiscaldata 2026 page 1: header lacks column "int_rate"'),
    ("fiscaldata", instead(optional_field_renamed), "records lack field high_yield; the layout has changed"),
    ("fiscaldata", instead(miscounted), "where its meta counts"),
    ("fiscaldata", instead('{"data": [], "meta": {"total-pages": 0}}'), "fiscaldata 2026 page 1: is empty, though"),
    ("fiscaldata", instead('{"error": "Invalid Query Param"}'), 'has no "meta" with "total-pages"'),
    ("fiscaldata", instead(renamed('"total-pages": 1', '"total-pages": 9999')), "is not a number of pages up to 40"),
    ("fiscaldata", instead("[" * 100_000), "total-pages"),
    ("newyorkfed", instead('{"refRates": []}'), "newyorkfed 2026: is empty, though"),
    ("newyorkfed", instead(renamed("percentRate", "rate")), "percentRate"),
    ("newyorkfed", instead(lambda text: text[:-40]), "newyorkfed 2026 line 1: is not JSON"),
    ("fred", instead(renamed("DGS7,", "DGS8,")), "DGS8"),
    ("fred", instead(renamed("DGS30", "DGS3")), "fred 2020-2029"),
    ("fred", instead(page), "fred 2020-2029 line 1: is HTML or XML"),
]


@pytest.mark.parametrize(("feed", "behaviour", "says"), BAD, ids=[f"{row[0]}-{row[2][:40]}" for row in BAD])
def test_a_bad_answer_is_one_line_and_changes_nothing(desk, feed, behaviour, says):
    where = "fred" if feed == "fred" else "2026"
    desk.publisher.fault(feed, behaviour, where=where)
    reports = desk.sync()
    (fault,) = reports[feed].faults
    assert fault.startswith(feed), fault
    assert says in fault
    assert "\n" not in fault
    assert not any(report.faults for name, report in reports.items() if name != feed)
    assert all(report.answers for name, report in reports.items() if name != feed), "the other feeds go on"
    found = desk.sync()
    assert not any(report.faults for report in found.values())
    assert whole_store(desk)


def test_a_refused_answer_is_kept_as_it_came_and_once(desk):
    desk.publisher.fault("treasury", instead(page), instead(page), where="2026")
    first, second = (desk.sync("treasury")["treasury"] for _ in range(2))
    assert first.quarantined == second.quarantined
    (path,) = first.quarantined
    assert path.read_text() == page("")
    assert path.parent.name == "quarantine"
    assert path.name in first.faults[0]
    assert first.answers == 2, "2025 and 2024 are read although 2026 is bad"


def test_good_data_survive_a_broken_answer(desk):
    desk.sync("treasury")
    before = desk.store.frame("par_yields")
    assert before["date"].max() == LAST
    for behaviour, says in (
        (instead(shifted), "treasury 2026: would replace 113 of 784 stored"),
        (instead(lambda text: "\n".join(",".join(line.split(",")[:-1]) for line in text.splitlines())), '"30 Yr"'),
    ):
        desk.publisher.fault("treasury", behaviour)
        desk.publisher.curves[DAY, "1 Mo"] = f"{float(desk.publisher.curves[DAY, '1 Mo']) + 0.01:.2f}"
        (fault,) = desk.sync("treasury")["treasury"].faults
        assert says in fault
        assert desk.store.frame("par_yields").equals(before)


def test_errors_that_pass_are_waited_for(desk):
    desk.publisher.fault("newyorkfed", status(500), status(503), cut)
    report = desk.sync("newyorkfed")["newyorkfed"]
    assert not report.faults
    assert desk.publisher.count("newyorkfed") == 6
    waits = [seconds for seconds in desk.slept if seconds > desk.limits.pause_seconds]
    assert waits == [1.5, 3.0, 6.0], "2, 4 and 8 seconds at most, three quarters of it at this jitter"


def test_errors_that_stay_end_the_feed_and_no_other(desk):
    desk.publisher.fault("treasury", *[status(500)] * 4)
    reports = desk.sync("treasury", "newyorkfed")
    assert reports["treasury"].faults == ["treasury 2026: answers HTTP 500, 4 times"]
    assert desk.publisher.count("treasury") == 4, "a server in trouble is not asked for older years"
    assert reports["newyorkfed"].answers == 3


def test_a_cut_body_is_never_taken(desk):
    desk.publisher.fault("treasury", *[cut] * 4)
    (fault,) = desk.sync("treasury")["treasury"].faults
    assert fault.startswith("treasury 2026: breaks off after ")
    assert fault.endswith(" bytes, 4 times")
    assert desk.store.frame("par_yields").is_empty()


def test_retry_after_is_waited_for(desk):
    desk.publisher.fault("newyorkfed", status(429, Retry_After="17"))
    assert not desk.sync("newyorkfed")["newyorkfed"].faults
    assert 17 in desk.slept


def test_a_long_retry_after_is_remembered(desk):
    desk.publisher.fault("newyorkfed", status(429, Retry_After="Tue, 24 Mar 2026 23:00:00 GMT"))
    (fault,) = desk.sync("newyorkfed")["newyorkfed"].faults
    assert fault == "newyorkfed 2026: answers HTTP 429 and asks to wait 3,600 s"
    asked = len(desk.publisher.asked)
    (fault,) = desk.sync("newyorkfed")["newyorkfed"].faults
    assert fault == "newyorkfed 2026: is left alone until 2026-03-24 19:00:00 EDT, as it asked"
    assert len(desk.publisher.asked) == asked
    desk.clock.advance(3600)
    assert not desk.sync("newyorkfed")["newyorkfed"].faults


def test_three_bad_years_are_enough(desk):
    desk.publisher.fault("treasury", *[instead(page)] * 5)
    report = desk.sync("treasury", first="2020-01-01")["treasury"]
    assert len(report.faults) == 3
    assert desk.publisher.count("treasury") == 3


def test_one_sync_at_a_time(desk):
    with (
        SyncFolder(desk.store.folder).alone(),
        pytest.raises(DataError, match="another sync is running; let it end"),
    ):
        desk.sync("treasury")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "other"}', '{"format": 1, "feeds": {"x": 3}}'])
def test_a_damaged_state_names_its_cure(desk, text):
    desk.sync("newyorkfed")
    (desk.store.folder / "sync" / "state.json").write_text(text)
    with pytest.raises(DataError, match=r"state.json: is damaged or of another version; delete it"):
        desk.sync("newyorkfed")


def test_a_quarantine_has_an_end(tmp_path):
    folder = SyncFolder(tmp_path)
    for number in range(60):
        folder.quarantine("treasury 2026", "csv", str(number).encode())
    assert len(list((tmp_path / "sync" / "quarantine").iterdir())) == 50
