"""Asks the feeds, piece by piece, and merges what is whole; a fault of one feed stops that feed only.

A piece is a calendar year (FRED: ten), or a page of one. It is stored before it is noted, so that a crash in between
asks for it once more. A year that was read a month after its end is final and not asked again, as long as its rows are
in the store; a younger one is asked with its validators, and mostly still stands.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from tbill_defi.core.clock import Clock, market_date, moment, new_york_midnight
from tbill_defi.core.errors import DataError
from tbill_defi.market.data import KINDS
from tbill_defi.market.store import ImportReport, MarketStore
from tbill_defi.market.sync.checks import (
    Implausible,
    check_changes,
    check_columns,
    check_empty,
    check_frame,
    check_text,
)
from tbill_defi.market.sync.feeds import Feed, Span
from tbill_defi.market.sync.fetcher import Fetcher, FetchFault
from tbill_defi.market.sync.state import FeedState, Piece, SyncFolder
from tbill_defi.market.table import NoRows, decode

_log = logging.getLogger(__name__)

FINAL_AFTER = timedelta(days=30)
"""A year's figures are taken as final this long after its end; `recheck` asks again."""
MOST_FAULTS = 3
"""Refused answers after which a feed is left alone until the next run."""

Progress = Callable[[int, int], None]


@dataclass
class FeedReport:
    """What a run did with one feed.

    Attributes
    ----------
    feed, title, kind
        Of the feed.
    answers, unchanged, final
        Answers that were stored; that still stand, by the server's word; pieces that were not asked again.
    rows, new, changed, differing
        Of the stored answers, as in `ImportReport`.
    changes
        Values that were replaced, the first of them; of a second source, those that differ and are not taken.
    faults
        One line each: what was wrong, and with which piece.
    quarantined
        Refused answers, kept as they came.
    """

    feed: str
    title: str
    kind: str
    answers: int = 0
    unchanged: int = 0
    final: int = 0
    rows: int = 0
    new: int = 0
    changed: int = 0
    differing: int = 0
    changes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    quarantined: list[Path] = field(default_factory=list)

    def take(self, report: ImportReport) -> None:
        """Add an answer that was stored."""
        self.answers += 1
        self.rows += report.rows
        self.new += report.new
        self.changed += report.changed
        self.differing += report.differing
        self.changes += report.changes


def sync(
    store: MarketStore,
    feeds: Sequence[Feed],
    *,
    first: date,
    fetcher: Fetcher,
    clock: Clock,
    recheck: bool = False,
    progress: Progress = lambda done, total: None,
) -> list[FeedReport]:
    """Bring the store up to date.

    Parameters
    ----------
    feeds
        Asked in this order.
    first
        Whole years from this day's on.
    recheck
        Ask for final years again, with their validators: finds late revisions.
    progress
        Called with (pieces done, pieces in all).

    Raises
    ------
    DataError
        If the store or its state cannot be read or written, holds simulated curves, or another sync runs. What is wrong
        with a feed is in its report.
    """
    if made := store.load().simulation:
        raise DataError(f"{store.folder}: holds simulated curves ({made}); sync a home of its own")
    folder = SyncFolder(store.folder)
    today = market_date(clock.now())
    plan = [(feed, list(feed.spans(first, today))) for feed in feeds]
    total, done = sum(len(spans) for _, spans in plan), 0
    reports = []
    with folder.alone():
        states = folder.load()
        for feed, spans in plan:
            turn = _Turn(store, folder, states, feed, fetcher, clock, recheck)
            for count, span in enumerate(spans):
                progress(done + count, total)
                if not turn.go(span):
                    break
            turn.end()
            done += len(spans)
            progress(done, total)
            reports.append(turn.report)
    return reports


class _Turn:
    """One feed's turn."""

    def __init__(
        self,
        store: MarketStore,
        folder: SyncFolder,
        states: dict[str, FeedState],
        feed: Feed,
        fetcher: Fetcher,
        clock: Clock,
        recheck: bool,
    ) -> None:
        self._store, self._folder, self._states, self._feed = store, folder, states, feed
        self._fetcher, self._clock, self._recheck = fetcher, clock, recheck
        self._state = states.setdefault(feed.name, FeedState())
        self.report = FeedReport(feed.name, feed.title, feed.kind)

    @property
    def _stored(self) -> pl.DataFrame:
        return self._store.frame(self._feed.kind)

    def go(self, span: Span) -> bool:
        """Ask for one span, all its pages: whether the feed may be asked for the next one."""
        until = self._state.not_before
        if until is not None and self._clock.now() < until:
            self._fault(span.name, f"is left alone until {moment(until)}, as it asked")
            return False
        page, pages = 1, 1
        while page <= pages:
            name = span.name if self._feed.pages is None else f"{span.name} page {page}"
            try:
                piece = self._piece(span, page, name)
            except FetchFault as fault:
                self._fault(name, str(fault))
                if fault.wait_seconds is not None:
                    self._state.not_before = self._clock.now() + fault.wait_seconds
                    self._folder.save(self._states)
                return False
            except _Refused as refused:
                self.report.quarantined.append(refused.path)
                self.report.faults.append(f"{refused} (kept as {refused.path.name})")
                return len(self.report.faults) < MOST_FAULTS
            pages, page = piece.pages, page + 1
        return True

    def end(self) -> None:
        """Note when the feed was last asked with success."""
        figures = {"new": self.report.new, "changed": self.report.changed, "faults": len(self.report.faults)}
        _log.info("feed", extra={"feed": self._feed.name, "answers": self.report.answers, **figures})
        if not self.report.faults:
            self._state.checked_at, self._state.not_before = self._clock.now(), None
        self._folder.save(self._states)

    def _fault(self, name: str, what: str) -> None:
        self.report.faults.append(f"{self._feed.name} {name}: {what}")

    def _piece(self, span: Span, page: int, name: str) -> Piece:
        url, known = self._feed.url(span, page), self._state.pieces.get(name)
        if known is not None and (known.url != url or not self._still_there(known)):
            known = None
        if known is not None and self._final(known, span) and not self._recheck:
            self.report.final += 1
            return known
        etag, modified = (None, None) if known is None else (known.etag, known.last_modified)
        answer = self._fetcher.get(url, etag=etag, last_modified=modified)
        if answer.body is None:
            if known is None:
                raise FetchFault("answers that nothing has changed, which was not asked")
            self.report.unchanged += 1
            piece = replace(known, fetched_at=self._clock.now())
        else:
            rows, pages = self._take(span, page, name, answer.body, framed=answer.framed)
            days = None if rows is None else rows[KINDS[self._feed.kind].day]
            piece = Piece(
                url,
                answer.etag,
                answer.last_modified,
                self._clock.now(),
                0 if rows is None else rows.height,
                None if days is None else days.min(),  # type: ignore[arg-type]
                None if days is None else days.max(),  # type: ignore[arg-type]
                pages,
            )
        self._state.pieces[name] = piece
        self._folder.save(self._states)
        return piece

    def _take(self, span: Span, page: int, name: str, body: bytes, *, framed: bool) -> tuple[pl.DataFrame | None, int]:
        """Read an answer whole, check it, and only then merge it; its rows (None: none), and pages of the span."""
        feed, label = self._feed, f"{self._feed.name} {name}"
        stored = self._stored
        try:
            frame, pages = self._read(span, page, label, body, framed=framed)
            if frame is not None:
                check_columns(feed, frame, stored, label)
        except DataError as error:
            raise self._refused(label, body, error) from None
        if frame is None:
            self.report.answers += 1
            return None, pages
        try:
            merged = self._store.add(
                feed.kind,
                frame,
                feed.title,
                seen_at=self._clock.now(),
                precedence=feed.precedence,
                check=check_changes(feed, frame, label),
            )
        except Implausible as error:
            raise self._refused(label, body, error) from None
        self.report.take(merged)
        return frame, pages

    def _read(self, span: Span, page: int, label: str, body: bytes, *, framed: bool) -> tuple[pl.DataFrame | None, int]:
        feed, today = self._feed, market_date(self._clock.now())
        text = decode(body, label)
        check_text(feed, text, label, framed=framed)
        pages = 1 if feed.pages is None else feed.pages(text, label)
        try:
            frame = feed.parse(text, label)
        except NoRows:
            if page == 1:
                check_empty(feed, span, label, today)
            return None, pages
        feed.needs(text, label, span)
        check_frame(feed, span, frame, label, today)
        return frame, pages

    def _refused(self, label: str, body: bytes, error: DataError) -> _Refused:
        return _Refused(str(error), self._folder.quarantine(label, self._feed.suffix, body))

    def _final(self, piece: Piece, span: Span) -> bool:
        return piece.fetched_at >= new_york_midnight(span.last + FINAL_AFTER)

    def _still_there(self, piece: Piece) -> bool:
        """Whether the store still holds as many rows of the piece's days."""
        if piece.first is None or piece.last is None:
            return True
        days = self._stored[KINDS[self._feed.kind].day]
        return int(days.is_between(piece.first, piece.last).sum()) >= piece.rows


class _Refused(Exception):
    """An answer that is not what it should be, and where it is kept."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path
