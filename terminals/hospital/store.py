"""The desk's memory of what it sent and what came back, in one SQLite file: every request durable before it leaves.

No name and no citizen id is in it; a person stands by the fund's token.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rulebook.messages.medical import ANSWERS, REQUESTS, Answer, Infno, Request, parse, to_wire
from rulebook.messages.problems import Problem

_NUMBERS_AT_ONCE = 20  # one write for so many

_SCHEMA = """
CREATE TABLE IF NOT EXISTS numbers (reserved INTEGER NOT NULL) STRICT;
INSERT INTO numbers SELECT 0 WHERE NOT EXISTS (SELECT * FROM numbers);
CREATE TABLE IF NOT EXISTS visits (number INTEGER PRIMARY KEY, visit TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS messages (
  position INTEGER PRIMARY KEY, msgid TEXT NOT NULL UNIQUE, visit TEXT NOT NULL, infno TEXT NOT NULL, request TEXT NOT NULL,
  answer TEXT, refusal TEXT, CHECK (answer IS NULL OR refusal IS NULL)) STRICT;
CREATE TRIGGER IF NOT EXISTS requests_stay BEFORE UPDATE OF msgid, visit, infno, request ON messages
  BEGIN SELECT RAISE(ABORT, 'what was sent never changes'); END;
CREATE TRIGGER IF NOT EXISTS messages_remain BEFORE DELETE ON messages
  BEGIN SELECT RAISE(ABORT, 'what was sent is never deleted'); END;
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """Persist: ``request`` of ``visit`` is about to leave."""

    visit: str
    request: Request[Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """Persist: what came back for ``msgid``; the newest word stands."""

    msgid: str
    answer: Answer[Any] | Problem


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored message; ``answer`` and ``refusal`` are None while nothing has come back."""

    visit: str
    request: Request[Any]
    answer: Answer[Any] | None
    refusal: Problem | None

    @property
    def open(self) -> bool:
        return self.answer is None and self.refusal is None


class VisitStore:
    """One desk's store; opened by one thread at a time. Everything is on disk when a call returns."""

    def __init__(self, path: Path | str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)

    def new_visit(self, prefix: str) -> str:
        """``prefix`` ‖ four digits that rise by one with each visit of the desk, for ever."""
        (last,) = self._database.execute("SELECT coalesce(max(number), 0) FROM visits").fetchone()
        visit = f"{prefix}{(last + 1) % 10000:04d}"
        self._database.execute("INSERT INTO visits VALUES (?, ?)", (last + 1, visit))
        return visit

    def persist(self, what: Sent | Answered) -> None:
        """The ``Persist`` port of the desk's dialogues."""
        match what:
            case Sent(visit, request):
                row = (request.msgid, visit, request.infno.value, to_wire(request).decode())
                self._database.execute("INSERT INTO messages (msgid, visit, infno, request) VALUES (?, ?, ?, ?)", row)
            case Answered(msgid, answer):
                columns = (
                    (None, answer.model_dump_json())
                    if isinstance(answer, Problem)
                    else (to_wire(answer).decode(), None)
                )
                self._database.execute("UPDATE messages SET answer = ?, refusal = ? WHERE msgid = ?", (*columns, msgid))

    def numbers(self) -> Iterator[int]:
        """Rising numbers, none of them given out before, also not before a restart."""
        while True:
            update = "UPDATE numbers SET reserved = reserved + ? RETURNING reserved"
            # fetchall, because SQLite commits the statement only when its rows are read to the end.
            [(end,)] = self._database.execute(update, (_NUMBERS_AT_ONCE,)).fetchall()
            yield from range(end - _NUMBERS_AT_ONCE, end)

    def entries(self, *infnos: Infno) -> Iterator[Entry]:
        """Messages of these interfaces, in the order they were sent."""
        marks = ", ".join("?" for _ in infnos)
        query = (
            f"SELECT visit, infno, request, answer, refusal FROM messages WHERE infno IN ({marks}) ORDER BY position"  # noqa: S608 - marks only
        )
        rows = self._database.execute(query, [infno.value for infno in infnos]).fetchall()
        for visit, infno_text, request, answer, refusal in rows:
            infno = Infno(infno_text)
            yield Entry(
                visit=visit,
                request=parse(REQUESTS[infno], request),
                answer=None if answer is None else parse(ANSWERS[infno], answer),
                refusal=None if refusal is None else Problem.model_validate_json(refusal),
            )

    def close(self) -> None:
        self._database.close()
