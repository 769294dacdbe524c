"""What claims that settle, or are held, put into the ledger: sums of fares in sets, and the few that stand alone."""

from __future__ import annotations

from typing import TypeAlias

import ibis.expr.types as ir
import numpy as np
from ibis import _

from clearing.day.schema import CARD_LENGTH, NOT_PRICEABLE, PRICED

CLAIM = np.dtype(
    [
        ("row", "i4"),  # its place among the claims that are booked at once
        ("card", f"V{CARD_LENGTH}"),
        ("purse", "i2"),
        ("load", "?"),
        ("card_sequence", "i4"),
        ("device", "i4"),  # of the row whose fields the TAC covers
        ("sequence", "i8"),
        ("operated_by", "i4"),
        ("line", "i8"),
        ("origin", "i8"),
        ("destination", "i8"),
        ("rider", "i1"),
        ("registered", "i1"),  # the card register's rider class; -1: none that a tariff knows
        ("amount", "i8"),
        ("business_day", "i4"),
        ("pricing", "i1"),
        ("expected", "i8"),
        ("concession", "i8"),
        ("fare", "i8"),
        ("load_posted", "?"),
        ("settled", "?"),
        ("held", "?"),
        ("held_before", "i8"),  # fen that earlier windows left on "open taps" for this transaction; -1: it is not there
    ]
)
NAMED = ["card", "purse", "card_sequence", "device", "sequence"]
"""Columns that say which claim it is; sums are made of the others."""

SET = ("business_day", "operated_by", "line")
"""A set of fares: one transfer each, and one for each bearer of concessions."""

RIDE = ("business_day", "operated_by", "origin", "destination", "each_minor")
"""Rides that are shared alike."""

Booked: TypeAlias = dict[str, ir.Table]


def booked(claims: ir.Table, shares: ir.Table) -> Booked:
    """``fares``: sum and count of each set. ``subsidies``: the same for each bearer. ``single``: rows that make a transfer or a
    remark of their own. ``rides``: how many between two stations brought how much; ``granted``: the same of what others
    bear."""
    settled = claims.filter(claims.settled)
    rides = settled.filter(~settled.load & (settled.amount > 0))
    granted = settled.filter((settled.pricing == PRICED) & (settled.registered == settled.rider))
    borne = granted.join(shares, granted.fare == shares.fare, rname="of_{name}")
    return {
        "fares": rides.group_by(*SET).aggregate(minor=rides.amount.sum().cast("int64"), count=rides.count()),
        "subsidies": borne.group_by(*SET, "bearer").aggregate(
            minor=borne.share.sum().cast("int64"), count=borne.count()
        ),
        "rides": _counted(rides.filter((rides.origin != 0) & (rides.pricing == PRICED)).mutate(each_minor=_.amount)),
        "granted": _counted(borne.filter(borne.origin != 0).mutate(each_minor=_.share), "bearer"),
        "single": claims.filter(_stands_alone(claims)).select("row"),
    }


def _counted(rides: ir.Table, *by: str) -> ir.Table:
    return rides.group_by(*RIDE, *by).aggregate(count=rides.count())


def _stands_alone(claims: ir.Table) -> ir.BooleanValue:
    remarkable = (
        (claims.held_before >= 0)
        | (claims.pricing == NOT_PRICEABLE)
        | ((claims.pricing == PRICED) & (claims.amount != claims.expected))
        | ((claims.concession > 0) & (claims.registered != claims.rider))
        | (claims.load & ~claims.load_posted)
    )
    return claims.held | (claims.settled & remarkable)
