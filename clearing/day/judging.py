"""How transactions of a plain shape end, by the same table of reasons in the same precedence as ``verification.rules.judge``.

Plain is an entry that is the only one of its card transaction, with nothing of an earlier window: an outcome with its intent,
or either alone. Written once in Ibis; what an engine gets are tables of these columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import ibis
import ibis.expr.types as ir

from clearing.day.schema import DAY_SECONDS, NO_TIME
from clearing.verification.reasons import PRECEDENCE, RULES, Reason
from rulebook.record import Kind, Outcome, Verdict

Tables: TypeAlias = Mapping[str, ir.Table]

_HOLDS_VALUE = [PRECEDENCE[reason] for reason, rule in RULES.items() if rule.holds_value]
_NONE = PRECEDENCE[Reason.NONE]


ENDS = ("row", "reason", "operated_by", "settled", "held", "registered", "load_posted")


def judged(tables: Tables) -> ir.Table:
    """``ENDS`` of the plain ones of ``entries`` (``plans.ENTRIES``): ``reason`` by its rank, and what booking needs from the
    registers."""
    known = _with_registers(tables)
    claim = (known.kind == Kind.OUTCOME) & (known.outcome == Outcome.DONE)
    reason = ibis.ifelse(claim, _claim_reason(known), _open_reason(known))
    ended = known.mutate(reason=reason.cast("int16"), claim=claim)
    holds = ended.claim & ended.reason.isin(_HOLDS_VALUE) & ~ended.load
    ended = ended.mutate(
        settled=ended.claim & (ended.reason == _NONE),
        held=holds,
        registered=ended.registered.fill_null(-1),
        load_posted=ended.load_posted.fill_null(False),
    )
    return ended.select(*ENDS)


def _with_registers(tables: Tables) -> ir.Table:
    entries, devices, cards = tables["entries"], tables["devices"], tables["cards"]
    entries = entries.filter(entries.plain)
    known = entries.join(devices, entries.device == devices.number).drop("number").cross_join(tables["days"])
    known = _looked_up(known, cards.mutate(card_known=True), ["card"])
    known = _looked_up(known, tables["loads"].mutate(load_known=True), ["card", "purse", "load", "card_sequence"])
    return _with_denials(known, tables["deny"])


def _looked_up(rows: ir.Table, register: ir.Table, by: list[str]) -> ir.Table:
    """At most one row of ``register`` for each of ``rows``."""
    joined = rows.left_join(register, by, rname="found_{name}")
    return joined.drop(*(f"found_{name}" for name in by))


def _with_denials(rows: ir.Table, deny: ir.Table) -> ir.Table:
    """What denied the card at the time of the tap (``facts.rules.DenyList.report_by``); null where nothing did."""
    at_the_time = [rows.card == deny.denied_card, rows["at"] >= deny.denied_from, rows["at"] < deny.denied_until]
    return rows.left_join(deny, at_the_time).drop("denied_card", "denied_from", "denied_until")


def _claim_reason(known: ir.Table) -> ir.Value:
    conditions = {reason: condition(known) for reason, condition in _CONDITIONS.items()}
    in_order = sorted(conditions.items(), key=lambda item: PRECEDENCE[item[0]])
    cases = [(condition, PRECEDENCE[reason]) for reason, condition in in_order]
    return ibis.cases(*cases, else_=_NONE)


def _open_reason(known: ir.Table) -> ir.Value:
    """Of what claims nothing: an intent alone, or an outcome that the terminal does not know waits, within the horizon."""
    waits = (known.kind == Kind.INTENT) | (known.outcome == Outcome.UNKNOWN)
    in_time = known.business_day >= known.oldest_day
    waiting = ibis.ifelse(in_time, PRECEDENCE[Reason.INTENT_WITHOUT_OUTCOME], PRECEDENCE[Reason.NEVER_ENDED])
    return ibis.ifelse(waits, waiting, _NONE)


def _in_force(known: ir.Table) -> ir.Value:
    return known["at"] >= known.reported_at + known.spreading


def _listed(known: ir.Table) -> ir.Value:
    return known.list_version >= known.listed_since


def _start_of(day: ir.Value) -> ir.Value:
    """Its first second. Multiplied, since engines divide as floating-point numbers."""
    return day.cast("int64") * DAY_SECONDS


# A condition that is null, because a register has no row, does not apply.
_CONDITIONS: Mapping[Reason, Callable[[ir.Table], ir.Value]] = {
    Reason.DEVICE_UNKNOWN: lambda t: ~t.device_known,
    Reason.DEVICE_LOST: lambda t: t.away,
    Reason.SAM_NOT_OF_DEVICE: lambda t: t.device_known & ~(t.bound & (t.sam_terminal == t.terminal)),
    Reason.EVENT_NOT_OF_DEVICE: lambda t: t.device_known & (((t.events >> t.event) & 1) == 0),
    Reason.KEY_VERSION_WRONG: lambda t: t.card_key_version != t.key_version,
    Reason.OTHER_ISSUER: lambda t: ~t.ours,
    Reason.CLOCK_UNREADABLE: lambda t: t["at"] == NO_TIME,
    Reason.TAC_WRONG: lambda t: ~t.tac_right,
    Reason.CARD_UNKNOWN: lambda t: t.card_known.isnull(),
    Reason.CARD_NOT_VALID: lambda t: (
        (t["at"] < _start_of(t.valid_from)) | (t["at"] >= _start_of(t.valid_to) + DAY_SECONDS)
    ),
    Reason.DENIED_WITH_OLD_LIST: lambda t: _in_force(t) & ~_listed(t),
    Reason.DENIED_LET_THROUGH: lambda t: _in_force(t) & _listed(t),
    Reason.OUTCOME_WITHOUT_INTENT: lambda t: t.intent_sequence == 0,
    Reason.LATER_THAN_HORIZON: lambda t: t.business_day < t.oldest_day,
    Reason.AHEAD_OF_BUSINESS_DAY: lambda t: t.business_day > t.newest_day,
    Reason.LOAD_UNKNOWN: lambda t: t.load & t.load_known.isnull(),
    Reason.LOAD_DIFFERS: lambda t: t.load & (t.load_amount != t.amount),
    Reason.MAC2_WRONG: lambda t: t.verdict == Verdict.WRONG,
}
"""Reasons a plain claim can end with; the others speak of second claims, findings or earlier windows."""
