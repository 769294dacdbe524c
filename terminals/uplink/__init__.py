"""The way from a terminal to clearing."""

from terminals.uplink.device_key import DeviceKey
from terminals.uplink.uplink import HostRefused, Uplink

__all__ = ["DeviceKey", "HostRefused", "Uplink"]
