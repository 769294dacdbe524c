"""The way from a terminal to clearing."""

from terminals.uplink.device_key import DeviceKey
from terminals.uplink.health import health
from terminals.uplink.parameter_store import Kept, NoParameters, ParameterStore
from terminals.uplink.trust import ParametersRefused, Refusal
from terminals.uplink.uplink import HostRefused, Uplink

__all__ = [
    "DeviceKey",
    "HostRefused",
    "Kept",
    "NoParameters",
    "ParameterStore",
    "ParametersRefused",
    "Refusal",
    "Uplink",
    "health",
]
