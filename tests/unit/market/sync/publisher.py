"""A local server that answers as the four publishers do, well or badly, and writes down what it was asked."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tbill_defi.conventions.calendars import TRADING
from tbill_defi.conventions.schedules import add_months
from tbill_defi.market.auctions import FISCAL_NAMES
from tbill_defi.market.par_yields import FRED_SERIES, TENORS

FIRST, LAST = date(2020, 1, 2), date(2026, 3, 24)
LAST_MODIFIED = "Tue, 24 Mar 2026 20:00:00 GMT"


def truth():
    """(day, tenor) -> percent text: a curve that moves, with every tenor of the Treasury."""
    days = [day for day in (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)) if TRADING.is_good(day)]
    return {
        (day, tenor): f"{3 + 0.1 * place + ((number * 7919) % 31) / 100:.2f}"
        for number, day in enumerate(days)
        for place, tenor in enumerate(TENORS)
    }


def auctions():
    """Weekly bills and monthly notes, all fields of FiscalData as text; one that is only announced."""
    records = []
    day, number = date(2020, 1, 6), 0
    while day <= LAST:
        number += 1
        records.append(_auction(f"9127{number:05d}", "Bill", "26-Week", day, day + timedelta(days=185)))
        if day.day <= 7:
            records.append(_auction(f"9128{number:05d}", "Note", "2-Year", day, day.replace(year=day.year + 2)))
        day += timedelta(days=7)
    announced = _auction("912799999", "Bill", "26-Week", LAST + timedelta(days=6), LAST + timedelta(days=190))
    results = ("high_discnt_rate", "high_investment_rate", "high_price", "total_accepted", "bid_to_cover_ratio")
    records.append({**announced, **dict.fromkeys(results, "null")})
    return records


def _auction(cusip, kind, term, day, maturity):
    record = dict.fromkeys(FISCAL_NAMES, "null") | {"record_date": day.isoformat(), "auction_format": "Single-Price"}
    issue = day + timedelta(days=3)
    flags = ("reopening", "inflation_index_security", "floating_rate", "cash_management_bill_cmb")
    record |= dict.fromkeys(flags, "No") | {
        "cusip": cusip,
        "security_type": kind,
        "security_term": term,
        "announcemt_date": (day - timedelta(days=4)).isoformat(),
        "auction_date": day.isoformat(),
        "issue_date": issue.isoformat(),
        "maturity_date": maturity.isoformat(),
        "bid_to_cover_ratio": "2.81",
        "offering_amt": "70000000000",
        "total_accepted": "70000012300",
    }
    if kind == "Bill":
        return record | {"high_discnt_rate": "3.600", "high_investment_rate": "3.717", "high_price": "98.130000"}
    coupon = {"int_rate": "3.875", "high_yield": "3.880", "dated_date": day.isoformat(), "high_price": "99.990000"}
    return record | coupon | {"first_int_payment_date": add_months(day, 6).isoformat()}


class Publisher:
    """Four publishers on one port; `fault(feed, ...)` makes the next answers of a feed bad."""

    def __init__(self):
        self.curves, self.auctions, self.asked, self.agents = truth(), auctions(), [], set()
        self.sofr = {day: "3.63" for day, tenor in self.curves if tenor == "1 Mo"}
        self._faults = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.agents.add(self.headers["User-Agent"])
                outer.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def base(self, feed):
        return f"http://127.0.0.1:{self._server.server_address[1]}/{feed}"

    def toml(self, **limits):
        """feeds.toml that points here."""
        lines = ["[limits]", *(f"{name} = {value}" for name, value in limits.items())]
        for feed in ("treasury", "fiscaldata", "newyorkfed", "fred"):
            lines += [f"[{feed}]", f'base = "{self.base(feed)}"']
        return "\n".join(lines) + "\n"

    def fault(self, feed, *behaviours, where=""):
        """Answer the next requests of a feed (those with `where` in the address) by these, one each."""
        self._faults.setdefault(feed, []).extend((where, behaviour) for behaviour in behaviours)

    def count(self, feed):
        return sum(path.startswith(f"/{feed}") for path, _ in self.asked)

    # --- answers ---------------------------------------------------------------------------------------------------

    def answer(self, handler):
        path = unquote(handler.path)
        feed = path.split("/")[1].split("?")[0]
        self.asked.append((path, dict(handler.headers)))
        body = getattr(self, f"_{feed}")(path).encode()
        queue = self._faults.get(feed, [])
        if queue and queue[0][0] in path:
            queue.pop(0)[1](handler, body)
        else:
            whole(handler, body)

    def _treasury(self, path):
        year = int(re.search(r"/treasury/(\d{4})/all\?type=daily_treasury_yield_curve", path)[1])
        assert path.endswith(f"&field_tdr_date_value={year}&page&_format=csv"), path
        days = sorted({day for day, _ in self.curves if day.year == year}, reverse=True)
        names = [tenor.replace("1.5 Mo", "1.5 Month") for tenor in TENORS]
        lines = ["Date," + ",".join(f'"{name}"' for name in names)]
        lines += [f"{day:%m/%d/%Y}," + ",".join(self.curves[day, tenor] for tenor in TENORS) for day in days]
        return "\n".join(lines) + "\n"

    def _fiscaldata(self, path):
        query = parse_qs(urlsplit(path).query)
        first, last = re.fullmatch(r"auction_date:gte:(\S+),auction_date:lte:(\S+)", query["filter"][0]).groups()
        assert query["sort"] == ["auction_date,cusip"]
        found = sorted(
            (record for record in self.auctions if first <= record["auction_date"] <= last),
            key=lambda record: (record["auction_date"], record["cusip"]),
        )
        page, size = int(query["page[number]"][0]), int(query["page[size]"][0])
        pages = -(-len(found) // size)
        rows = found[(page - 1) * size : page * size]
        link = "&page%5Bnumber%5D={}&page%5Bsize%5D=" + str(size)
        meta = {"count": len(rows), "labels": {}, "total-count": len(found), "total-pages": pages}
        links = {"self": link.format(page), "next": link.format(page + 1) if page < pages else None}
        return json.dumps({"data": rows, "meta": meta, "links": links})

    def _newyorkfed(self, path):
        query = parse_qs(urlsplit(path).query)
        days = [d for d in sorted(self.sofr, reverse=True) if query["startDate"][0] <= str(d) <= query["endDate"][0]]
        rates = [
            {
                "effectiveDate": day.isoformat(),
                "type": "SOFR",
                "percentRate": float(self.sofr[day]),
                "percentPercentile1": 3.55,
                "volumeInBillions": 2890,
                "revisionIndicator": "",
            }
            for day in days
        ]
        return json.dumps({"refRates": rates})

    def _fred(self, path):
        query = parse_qs(urlsplit(path).query)
        series = query["id"][0].split(",")
        first, last = date.fromisoformat(query["cosd"][0]), date.fromisoformat(query["coed"][0])
        lines = ["observation_date," + ",".join(series)]
        day = max(first, FIRST)
        while day <= min(last, LAST):
            if day.weekday() < 5:
                cells = [self.curves.get((day, FRED_SERIES[name]), "") for name in series]
                lines.append(",".join([day.isoformat(), *cells]))
            day += timedelta(days=1)
        return "\n".join(lines) + "\n"


def whole(handler, body, status=200, headers=()):
    """A good answer, or that the earlier one stands."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    if handler.headers.get("If-None-Match") == etag:
        handler.send_response(304)
        handler.send_header("ETag", etag)
        handler.end_headers()
        return
    handler.send_response(status)
    for name, value in (("ETag", etag), ("Last-Modified", LAST_MODIFIED), *headers):
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def status(code, **headers):
    """An error page."""

    def answer(handler, _):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def instead(make):
    """A whole answer with another body."""

    def answer(handler, body):
        made = make(body.decode()) if callable(make) else make
        whole(handler, made.encode())

    return answer


def cut(handler, body):
    """A body that ends before its Content-Length."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])


def cut_unseen(handler, body):
    """A body cut within its last number, of a server that does not say how long it is."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(body[:-2])
