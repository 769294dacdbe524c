"""The day's relational work by Ibis against the same written by hand, on DuckDB; both must answer the same."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from clearing.day.duckdb_engine import DuckDbEngine, DuckDbSession
from clearing.day.engine import Answers, Tables, book, judge
from clearing.day.plans import booking, judging
from clearing.day.schema import DAY_SECONDS, NO_TIME
from clearing.verification.reasons import PRECEDENCE, RULES, Reason

ROUNDS = 5

_CLAIM = "kind = 2 AND outcome = 1"
_CASES = {
    Reason.DEVICE_UNKNOWN: "NOT device_known",
    Reason.DEVICE_LOST: "away",
    Reason.SAM_NOT_OF_DEVICE: "NOT (bound AND sam_terminal = terminal)",
    Reason.EVENT_NOT_OF_DEVICE: "(events >> event) & 1 = 0",
    Reason.KEY_VERSION_WRONG: "c.card_key_version <> e.key_version",
    Reason.OTHER_ISSUER: "NOT ours",
    Reason.CLOCK_UNREADABLE: f"e.at = {NO_TIME}",
    Reason.TAC_WRONG: "NOT tac_right",
    Reason.CARD_UNKNOWN: "c.card IS NULL",
    Reason.CARD_NOT_VALID: f"e.at // {DAY_SECONDS} < valid_from OR e.at // {DAY_SECONDS} > valid_to",
    Reason.DENIED_WITH_OLD_LIST: "e.at >= reported_at + spreading AND list_version < listed_since",
    Reason.DENIED_LET_THROUGH: "e.at >= reported_at + spreading AND list_version >= listed_since",
    Reason.OUTCOME_WITHOUT_INTENT: "intent_sequence = 0",
    Reason.LATER_THAN_HORIZON: "business_day < oldest_day",
    Reason.AHEAD_OF_BUSINESS_DAY: "business_day > newest_day",
    Reason.LOAD_UNKNOWN: "e.load AND l.card IS NULL",
    Reason.LOAD_DIFFERS: "e.load AND load_amount <> amount",
    Reason.MAC2_WRONG: "verdict = 2",
}
_HOLDS = ", ".join(str(PRECEDENCE[reason]) for reason, rule in RULES.items() if rule.holds_value)
_REASON = "\n".join(f"WHEN {condition} THEN {PRECEDENCE[reason]}" for reason, condition in _CASES.items())
_WAITS = f"""CASE WHEN business_day >= oldest_day THEN {PRECEDENCE[Reason.INTENT_WITHOUT_OUTCOME]}
    ELSE {PRECEDENCE[Reason.NEVER_ENDED]} END"""
_OPEN = f"CASE WHEN kind = 1 OR outcome = 3 THEN {_WAITS} ELSE {PRECEDENCE[Reason.NONE]} END"
JUDGED = f"""
SELECT row, reason, operated_by, claim AND reason = {PRECEDENCE[Reason.NONE]} AS settled,
       claim AND reason IN ({_HOLDS}) AND NOT load AS held, registered, load_posted
FROM (
  SELECT e.row, operated_by, {_CLAIM} AS claim, e.load,
         CAST(CASE WHEN {_CLAIM} THEN CASE {_REASON} ELSE {PRECEDENCE[Reason.NONE]} END ELSE {_OPEN} END AS SMALLINT) AS reason,
         coalesce(registered, -1) AS registered, coalesce(load_posted, false) AS load_posted
  FROM entries e JOIN devices d ON e.device = d.number CROSS JOIN days
  LEFT JOIN cards c ON e.card = c.card
  LEFT JOIN loads l ON e.card = l.card AND e.purse = l.purse AND e.load = l.load AND e.card_sequence = l.card_sequence
  LEFT JOIN deny n ON e.card = n.denied_card AND e.at >= n.denied_from AND e.at < n.denied_until
  WHERE plain
)
"""
QUESTIONS = {
    "fares": "SELECT business_day, operated_by, line, sum(amount) AS minor, count(*) AS count FROM claims"
    " WHERE settled AND NOT load AND amount > 0 GROUP BY ALL",
    "subsidies": "SELECT business_day, operated_by, line, bearer, sum(share) AS minor, count(*) AS count"
    " FROM claims j JOIN shares s ON j.fare = s.fare WHERE settled AND pricing = 1 AND registered = rider GROUP BY ALL",
    "rides": "SELECT business_day, operated_by, origin, destination, amount AS each_minor, count(*) AS count FROM claims"
    " WHERE settled AND NOT load AND amount > 0 AND origin <> 0 AND pricing = 1 GROUP BY ALL",
    "granted": "SELECT business_day, operated_by, origin, destination, share AS each_minor, bearer, count(*) AS count"
    " FROM claims j JOIN shares s ON j.fare = s.fare"
    " WHERE settled AND pricing = 1 AND registered = rider AND origin <> 0 GROUP BY ALL",
    "single": "SELECT row FROM claims WHERE held OR settled AND (held_before >= 0 OR pricing = 2"
    " OR pricing = 1 AND amount <> expected OR concession > 0 AND registered <> rider OR load AND NOT load_posted)",
}


class _Giving(DuckDbSession):
    def __init__(self, inner: DuckDbSession, given: dict[str, pa.Table]) -> None:
        super().__init__(inner._connection)
        self._given = given

    def give(self, name: str, rows: pa.Table) -> None:
        self._given[name] = rows
        super().give(name, rows)


class Recording(DuckDbEngine):
    """Remembers the tables of the largest piece of work: of its judging and of its booking."""

    def __init__(self, *, spill: Path) -> None:
        super().__init__(spill=spill)
        self.largest: dict[str, dict[str, pa.Table]] = {"entries": {}, "claims": {}}

    @contextmanager
    def session(self) -> Iterator[DuckDbSession]:
        given: dict[str, pa.Table] = {}
        with super().session() as session:
            yield _Giving(session, given)
        for name, largest in self.largest.items():
            if len(given.get(name, ())) > len(largest.get(name, ())):
                self.largest[name] = given


def by_ibis(engine: DuckDbEngine, entries: Tables, claims: Tables) -> Answers:
    return {"ends": judge(engine, entries)} | book(engine, claims["claims"], claims["shares"])


def by_hand(engine: DuckDbEngine, entries: Tables, claims: Tables) -> Answers:
    return _asked(engine, entries, {"ends": JUDGED}) | _asked(engine, claims, QUESTIONS)


def _asked(engine: DuckDbEngine, tables: Tables, queries: dict[str, str]) -> Answers:
    schemas = {name: question.schema for name, question in {**booking("duckdb"), "ends": judging("duckdb")}.items()}
    with engine.session() as session:
        for name, rows in tables.items():
            session.give(name, rows)
        return {name: session.ask(query).cast(schemas[name]) for name, query in queries.items()}


def compare(largest: Mapping[str, Tables]) -> float:
    """Processor time of Ibis as a part of that by hand; 1.0 is equal. Raises ``AssertionError`` where answers differ."""
    with tempfile.TemporaryDirectory() as spill:
        engine, tables = DuckDbEngine(spill=Path(spill)), (largest["entries"], largest["claims"])
        ibis, hand = by_ibis(engine, *tables), by_hand(engine, *tables)
        for name in ibis:
            assert _sorted(ibis[name]) == _sorted(hand[name]), name
        times: dict[Callable[..., Answers], list[float]] = {by_ibis: [], by_hand: []}
        for _ in range(ROUNDS):
            for way, taken in times.items():
                begun = time.process_time()
                way(engine, *tables)
                taken.append(time.process_time() - begun)
    return statistics.median(times[by_ibis]) / statistics.median(times[by_hand])


def _sorted(table: pa.Table) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in table.column_names])
