"""A connection to PostgreSQL that waits for no answer for ever: a line that is half open gives none, and no error."""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic
from typing import Any

from psycopg import Connection, OperationalError

ANSWER_SECONDS = 60
"""How long the server may say nothing. What it executes for a writer, a submitter or a reader takes less."""


class Line(Connection[Any]):
    """Ends itself where an answer does not come."""

    def wait(self, gen: Any, *options: Any, **more: Any) -> Any:
        """Exchange messages as `gen` wants it.

        Raises
        ------
        OperationalError
            If nothing came for `ANSWER_SECONDS`; what was asked for may have been done.
        """
        return super().wait(self._answered(gen), *options, **more)

    def _answered(self, exchange: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The same, which is told of every moment in which nothing comes."""
        heard = monotonic()
        try:
            wanted = next(exchange)
            while True:
                ready = yield wanted
                if ready:
                    heard = monotonic()
                elif monotonic() - heard > ANSWER_SECONDS:
                    self.pgconn.finish()
                    raise OperationalError(f"the server did not answer for {ANSWER_SECONDS} s")
                wanted = exchange.send(ready)
        except StopIteration as end:
            return end.value
