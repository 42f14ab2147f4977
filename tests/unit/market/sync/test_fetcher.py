"""One request at a time: limits, time-outs, redirects, and servers that are none."""

import socket
import time

import pytest

from tbill_defi.market.sync import Fetcher, Limits, Timer
from tbill_defi.market.sync.fetcher import FetchFault


def curves(year):
    return f"/{year}/all?type=daily_treasury_yield_curve&field_tdr_date_value={year}&page&_format=csv"


@pytest.fixture
def get(publisher, desk):
    def ask(
        behaviour=None,
        path="/2026/all?type=daily_treasury_yield_curve&field_tdr_date_value=2026&page&_format=csv",
        **limits,
    ):
        if behaviour is not None:
            publisher.fault("treasury", *[behaviour] * 4)
        timer = Timer(time.monotonic, desk.slept.append, lambda: 0.0)
        limits = Limits(**{"timeout_seconds": 5.0, "attempts": 2, **limits})
        return Fetcher(limits, clock=desk.clock, timer=timer, agent="test").get(
            publisher.base("treasury") + curves(2026)
        )

    return ask


def test_a_good_answer(get):
    answer = get()
    assert answer.body.startswith(b"Date,")
    assert answer.framed
    assert answer.etag
    assert answer.last_modified


def silent(handler, body):
    time.sleep(0.6)


def dripping(handler, body):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    for place in range(0, 40):
        try:
            handler.wfile.write(body[place : place + 1])
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.05)


def redirect(to):
    def answer(handler, body):
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def header(name, value, body=b"x"):
    def answer(handler, _):
        handler.send_response(200)
        handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_a_silent_server(get, desk):
    with pytest.raises(FetchFault, match=r"does not answer within 0.2 s, 2 times"):
        get(silent, timeout_seconds=0.2)
    assert 1.0 in desk.slept


def test_a_dripping_server(get):
    with pytest.raises(FetchFault, match=r"takes longer than 0.3 s for one answer, 2 times"):
        get(dripping, total_seconds=0.3)


def test_too_large_by_its_own_word(get, publisher):
    with pytest.raises(FetchFault, match=r"answers with 5,000 bytes, over the limit of 1,000"):
        get(header("Content-Length", "5000"), max_bytes=1000)
    assert publisher.count("treasury") == 1, "asking again would not help"


@pytest.mark.parametrize("digits", [19, 5_000, 60_000])
def test_a_length_of_thousands_of_digits_is_no_number(get, publisher, digits):
    with pytest.raises(FetchFault, match=rf"a length of {digits:,} digits, over the limit of 1,000 bytes"):
        get(header("Content-Length", "9" * digits), max_bytes=1000)
    assert publisher.count("treasury") == 1, "asking again would not help"


def test_too_large_without_a_word(get):
    with pytest.raises(FetchFault, match=r"answers with more than the limit of 1,000 bytes"):
        get(header("X-Nothing", "1", b"x" * 5000), max_bytes=1000)


def test_an_encoding_nobody_asked_for(get):
    with pytest.raises(FetchFault, match=r"answers in the encoding 'gzip', which was not asked for"):
        get(header("Content-Encoding", "gzip"))


@pytest.mark.parametrize(
    ("to", "says"),
    [("file:///etc/passwd", "answers HTTP 302"), ("ftp://host/file", "is sent on to ftp: not followed")],
)
def test_redirects_stay_with_http(get, to, says):
    with pytest.raises(FetchFault, match=says):
        get(redirect(to))


def test_a_redirect_is_followed(get, publisher):
    publisher.fault("treasury", redirect(publisher.base("treasury") + curves(2025)))
    assert b"/2025," in get().body


def test_nobody_there(desk):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(FetchFault, match=r"cannot be reached \(.*refused.*\), 4 times"):
        desk.fetcher().get(f"http://127.0.0.1:{port}/")


def test_no_http(get):
    with pytest.raises(FetchFault, match=r"breaks off or is not HTTP"):
        get(lambda handler, body: handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n"))


def test_jitter_keeps_half_of_each_wait(desk, publisher):
    from tests.unit.market.sync.publisher import status

    for jitter in (0.0, 0.999):
        desk.slept.clear()
        publisher.fault("treasury", *[status(500)] * 4)
        timer = Timer(lambda: 0.0, desk.slept.append, lambda jitter=jitter: jitter)
        fetcher = Fetcher(Limits(pause_seconds=0), clock=desk.clock, timer=timer, agent="test")
        url = (
            publisher.base("treasury")
            + "/2026/all?type=daily_treasury_yield_curve&field_tdr_date_value=2026&page&_format=csv"
        )
        with pytest.raises(FetchFault):
            fetcher.get(url)
        assert desk.slept == pytest.approx([wait * (1 + jitter) for wait in (1, 2, 4)])
