"""A restatement's life: proposed, computed as a dry run, approved by a second person, posted piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique


@unique
class RestatementState(StrEnum):
    PROPOSED = "proposed"  # by the first person; nothing is computed yet
    COMPUTED = "computed"  # the dry run is there
    APPROVED = "approved"  # by a second person; entries are being posted
    POSTED = "posted"  # every entry is in the ledger
    WITHDRAWN = "withdrawn"


STATES: Mapping[RestatementState, tuple[str, str]] = {
    RestatementState.PROPOSED: ("待试算", "to be computed"),
    RestatementState.COMPUTED: ("待复核", "to be approved"),
    RestatementState.APPROVED: ("入账中", "being posted"),
    RestatementState.POSTED: ("已入账", "posted"),
    RestatementState.WITHDRAWN: ("已撤回", "withdrawn"),
}


@unique
class RestatementEvent(StrEnum):
    COMPUTE = "compute"
    APPROVE = "approve"
    FINISH = "finish"
    WITHDRAW = "withdraw"


LIFE: Mapping[tuple[RestatementState, RestatementEvent], RestatementState] = {
    (RestatementState.PROPOSED, RestatementEvent.COMPUTE): RestatementState.COMPUTED,
    (RestatementState.COMPUTED, RestatementEvent.COMPUTE): RestatementState.COMPUTED,
    (RestatementState.COMPUTED, RestatementEvent.APPROVE): RestatementState.APPROVED,
    (RestatementState.APPROVED, RestatementEvent.FINISH): RestatementState.POSTED,
    (RestatementState.PROPOSED, RestatementEvent.WITHDRAW): RestatementState.WITHDRAWN,
    (RestatementState.COMPUTED, RestatementEvent.WITHDRAW): RestatementState.WITHDRAWN,
}
