"""What moves money or decides needs two people: the second one is checked here."""

from __future__ import annotations

from backoffice.problems import Refused


def a_second_person(actor: str, *, first: str | None, what: str) -> None:
    """``first`` is the name of who began with ``what`` (the thing as the reader knows it: ``window 3``), None where nobody
    of the staff did. Raises ``Refused`` where ``actor`` is the same person."""
    if actor == first:
        detail = f"{what}: {first} acted first; somebody else must sign in and do this / 第一人为 {first}，须由另一人登录办理"
        title = "A second person must decide / 须由另一人复核"
        raise Refused(409, title, detail, reason="second_person_must_differ")


def the_first_person(actor: str, *, first: str, what: str) -> None:
    """Who proposed ``what`` takes it back, nobody else. Raises ``Refused``."""
    if actor != first:
        detail = f"{what}: {first} proposed it; approve or refuse it instead / 由 {first} 提出，请批准或拒绝"
        title = "Only who proposed it withdraws it / 只有提出人可以撤回"
        raise Refused(409, title, detail, reason="not_the_proposer")
