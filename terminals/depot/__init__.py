"""A depot carries the batches of buses that have no network to clearing, and the receipts back."""

from terminals.depot.bus import exchange
from terminals.depot.depot import Depot, Forwarded, RefusedParcel
from terminals.depot.parcel import MalformedParcel, Parcel

__all__ = ["Depot", "Forwarded", "MalformedParcel", "Parcel", "RefusedParcel", "exchange"]
