"""The gate of a metro station."""

from terminals.gate.gate import Gate

__all__ = ["Gate"]
