"""Key bytes that do not show themselves."""

from __future__ import annotations


class Secret(bytes):
    """Key or PIN bytes; ``repr`` and ``str`` show only the length, so they cannot slip into a log or a trace."""

    def __repr__(self) -> str:
        return f"<redacted {len(self)} bytes>"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return format(repr(self), format_spec)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")
