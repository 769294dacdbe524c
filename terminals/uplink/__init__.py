"""The way from a terminal to clearing."""

from terminals.uplink.device_key import DeviceKey
from terminals.uplink.parameter_store import Kept, NoParameters, ParameterStore
from terminals.uplink.uplink import HostRefused, Uplink

__all__ = ["DeviceKey", "HostRefused", "Kept", "NoParameters", "ParameterStore", "Uplink"]
