"""The record a terminal keeps of a card transaction, versioned; golden files of every version load for ever."""

from rulebook.record.record import Event, Kind, MalformedRecord, Outcome, Record, Step, Verdict

__all__ = ["Event", "Kind", "MalformedRecord", "Outcome", "Record", "Step", "Verdict"]
