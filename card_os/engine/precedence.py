"""Which status word a command gets when several apply: the one of the first stage below (standards.md §1.6 gives no order; this
one is ours). Handlers ask in this order; ``tests/unit/card_os/engine/test_precedence.py`` holds them to it, and the same
table stands in docs/card.md. The identity application keeps to its own standard's order.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """``words``: what is answered here; 63C0 and 6C00 stand for every 63Cx and 6Cxx."""

    name: str
    words: frozenset[int]
    asks: str


def _stage(name: str, words: str, asks: str) -> Stage:
    return Stage(name, frozenset(int(word, 16) for word in words.split()), asks)


ORDER = (
    _stage("card", "6A81", "is the card blocked?"),
    _stage("class", "6E00", "does any command have this class?"),
    _stage("instruction", "6D00", "does the class have this instruction?"),
    _stage("parameters", "6A86", "are P1 and P2 of this command?"),
    _stage("form", "6700 6A80", "have data field and Le the command's length and form?"),
    _stage("lock", "9303 6985", "does the selected application's lock allow it?"),
    _stage("sequence", "6985", "has the command come that must come before?"),
    _stage("object", "6A82 6986 6981 6A88 9403 6A81", "are file, purse and key there, and of the right kind?"),
    _stage("right", "6982", "is the security state high enough for file and key?"),
    _stage("conditions", "6985", "may this object be used so?"),
    _stage("challenge", "6984", "was a challenge given out just before?"),
    _stage("protection", "6987", "is there a MAC where one is wanted?"),
    _stage("tries", "6983", "has the key or PIN a try left? It is written as spent here"),
    _stage("proof", "6988 6300 63C0 9302", "is MAC, cryptogram or PIN right?"),
    _stage("content", "6A80 6700 6B00 6A83 6A89 6A84", "do the data fit the file, record, key or room?"),
    _stage("money", "9401 6A84 9402 9406", "do balance, limit and counter allow it; was this transaction done?"),
    _stage("answer", "6C00", "is Le what there is (T=0)?"),
)
