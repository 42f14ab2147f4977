"""One GET after another, politely: pauses, time-outs, back-off with jitter, Retry-After, conditional requests, a limit.

Everything that depends on time or chance is given: a clock, a timer and a source of jitter.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from tbill_defi.core.clock import Clock
from tbill_defi.core.errors import DataError

CHUNK = 65_536
MOST_DIGITS = 18
"""Of a Content-Length: more than any answer has, and no number to be computed with."""
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed."""
NOT_MODIFIED = 304


class FetchFault(DataError):
    """A request that brought nothing.

    Attributes
    ----------
    wait_seconds
        How long the server asks to be left alone; None: it does not say.
    again
        Whether the same request may succeed in a moment.
    """

    def __init__(self, message: str, *, again: bool = False, wait_seconds: int | None = None) -> None:
        super().__init__(message)
        self.again, self.wait_seconds = again, wait_seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, how large, how often.

    Attributes
    ----------
    timeout_seconds
        Without a byte.
    total_seconds
        For one whole answer.
    max_bytes
        Of one answer.
    attempts
        Requests for one answer, the first included.
    backoff_seconds
        Longest first wait; it doubles with each attempt, and a wait is a random part of it, half at least.
    patience_seconds
        The longest Retry-After that is waited for; a longer one ends the feed's turn.
    pause_seconds
        Between two requests.
    """

    timeout_seconds: float = 30.0
    total_seconds: float = 120.0
    max_bytes: int = 16 * 2**20
    attempts: int = 4
    backoff_seconds: float = 2.0
    patience_seconds: float = 60.0
    pause_seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class Timer:
    """Passing time: seconds of a monotonic clock, waiting, and jitter in [0, 1)."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    jitter: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes
    ----------
    body
        None: not modified.
    etag, last_modified
        Its validators, for the next request.
    framed
        Whether the server told where the body ends; without it a cut one looks whole.
    """

    body: bytes | None
    etag: str | None
    last_modified: str | None
    framed: bool


class _SafeRedirects(HTTPRedirectHandler):
    """Follows to http and https only, and never from https down."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after not in ("http", "https") or (before == "https" and after == "http"):
            fp.close()
            raise FetchFault(f"is sent on to {after or 'an address without scheme'}: not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Fetcher:
    """Gets answers, one at a time.

    Parameters
    ----------
    agent
        User-Agent: who asks.
    """

    def __init__(self, limits: Limits, *, clock: Clock, timer: Timer, agent: str) -> None:
        self.limits, self._clock, self._timer, self._agent = limits, clock, timer, agent
        self._opener: OpenerDirector = build_opener(_SafeRedirects)
        self._last: float | None = None

    def get(self, url: str, *, etag: str | None = None, last_modified: str | None = None) -> Answer:
        """The answer to one address; with validators of an earlier one, perhaps that it still stands.

        Raises
        ------
        FetchFault
            After the last attempt, or at once where another would not help.
        """
        headers = {"User-Agent": self._agent, "Accept-Encoding": "identity", "Accept": "text/csv, application/json"}
        if etag is not None:
            headers["If-None-Match"] = etag
        if last_modified is not None:
            headers["If-Modified-Since"] = last_modified
        longest = self.limits.backoff_seconds
        for attempt in range(1, self.limits.attempts + 1):
            self._pause()
            try:
                return self._once(Request(url, headers=headers))  # noqa: S310  settings accept http and https only
            except FetchFault as fault:
                asked = fault.wait_seconds or 0
                if not fault.again or asked > self.limits.patience_seconds:
                    raise
                wait = max(asked, longest * (0.5 + 0.5 * self._timer.jitter()))
                if attempt == self.limits.attempts:
                    raise FetchFault(f"{fault}, {attempt} times", wait_seconds=fault.wait_seconds) from None
                self._timer.sleep(wait)
            longest *= 2
        raise FetchFault("is not asked: no attempt is allowed")

    def _pause(self) -> None:
        now = self._timer.monotonic()
        if self._last is not None and (early := self._last + self.limits.pause_seconds - now) > 0:
            self._timer.sleep(early)
            now = self._timer.monotonic()
        self._last = now

    def _once(self, request: Request) -> Answer:
        seconds = f"{self.limits.timeout_seconds:g} s"
        try:
            with self._opener.open(request, timeout=self.limits.timeout_seconds) as response:
                return self._read(response)
        except HTTPError as error:
            with error:
                return self._refused(error)
        except TimeoutError:
            raise FetchFault(f"does not answer within {seconds}", again=True) from None
        except URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise FetchFault(f"does not answer within {seconds}", again=True) from None
            again = not isinstance(error.reason, ssl.SSLCertVerificationError)
            raise FetchFault(f"cannot be reached ({_reason(error.reason)})", again=again) from None
        except HTTPException as error:
            raise FetchFault(f"breaks off or is not HTTP ({type(error).__name__})", again=True) from None
        except OSError as error:
            raise FetchFault(f"breaks off ({_reason(error)})", again=True) from None
        except ValueError as error:
            raise FetchFault(f"has an address that cannot be asked ({error})") from None

    def _refused(self, error: HTTPError) -> Answer:
        headers = error.headers
        if error.code == NOT_MODIFIED:
            return Answer(None, headers.get("ETag"), headers.get("Last-Modified"), framed=True)
        wait = self._retry_after(headers.get("Retry-After"))
        asks = "" if wait is None else f" and asks to wait {wait:,} s"
        raise FetchFault(f"answers HTTP {error.code}{asks}", again=error.code in AGAIN, wait_seconds=wait)

    def _retry_after(self, value: str | None) -> int | None:
        """Seconds of a Retry-After header, which is a number of seconds or a date (RFC 9110, 10.2.3)."""
        if value is None:
            return None
        if value.strip().isdecimal():
            return int(value.strip()[:9])
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0, int((moment - datetime.fromtimestamp(self._clock.now(), UTC)).total_seconds()))

    def _read(self, response: Any) -> Answer:
        headers, most = response.headers, self.limits.max_bytes
        if (coding := headers.get("Content-Encoding", "identity").lower()) != "identity":
            raise FetchFault(f"answers in the encoding {coding[:20]!r}, which was not asked for")
        told = headers.get("Content-Length", "").strip()
        if told.isdecimal() and len(told) > MOST_DIGITS:
            raise FetchFault(f"answers with a length of {len(told):,} digits, over the limit of {most:,} bytes")
        length = int(told) if told.isdecimal() else None
        if length is not None and length > most:
            raise FetchFault(f"answers with {length:,} bytes, over the limit of {most:,}")
        end = self._timer.monotonic() + self.limits.total_seconds
        body = bytearray()
        while chunk := response.read1(CHUNK):
            body += chunk
            if len(body) > most:
                raise FetchFault(f"answers with more than the limit of {most:,} bytes")
            if self._timer.monotonic() > end:
                raise FetchFault(f"takes longer than {self.limits.total_seconds:g} s for one answer", again=True)
        if length is not None and len(body) < length:
            raise FetchFault(f"breaks off after {len(body):,} of {length:,} bytes", again=True)
        framed = length is not None or response.chunked
        return Answer(bytes(body), headers.get("ETag"), headers.get("Last-Modified"), framed)


def _reason(error: object) -> str:
    return str(getattr(error, "strerror", None) or error)[:120]
