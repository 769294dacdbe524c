"""GB 11714-1997: eight characters and a check character. The social-security card number (EF05 tag 07) uses the same
formula (standards.md §5.3)."""

from __future__ import annotations

_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_VALUES = {character: value for value, character in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_CHECKS = "0X987654321"  # by the weighted sum modulo 11


def check_character(body: str) -> str:
    """The ninth character for eight of 0–9 and A–Z. Raises ``ValueError`` for anything else."""
    if len(body) != len(_WEIGHTS) or not set(body) <= set(_VALUES):
        raise ValueError(f"{body!r} is not eight characters of 0-9 and A-Z")
    return _CHECKS[sum(weight * _VALUES[character] for weight, character in zip(_WEIGHTS, body, strict=True)) % 11]


def is_valid(code: str) -> bool:
    """Whether nine characters end with their check character."""
    return len(code) == 9 and set(code) <= set(_VALUES) and check_character(code[:8]) == code[8]


def social_security_card_number(sequence: int) -> str:
    """Nine characters for the ``sequence``-th card, 0 to 99999999. The body's form (eight digits) is ours."""
    if not 0 <= sequence <= 99_999_999:
        raise ValueError(f"sequence is {sequence}; eight digits hold 0 to 99999999")
    body = f"{sequence:08d}"
    return body + check_character(body)
