"""The top-up desk."""

from terminals.dialogues.load_results import Desk, Loaded, LoadResult, LoadUnknown, NotLoaded, Reason
from terminals.topup.desk import Resent, TopUpDesk

__all__ = ["Desk", "LoadResult", "LoadUnknown", "Loaded", "NotLoaded", "Reason", "Resent", "TopUpDesk"]
