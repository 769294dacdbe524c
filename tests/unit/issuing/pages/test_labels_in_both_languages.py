"""What the pages show by a word has that word in Chinese, too; a new word without one fails here, not on the screen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, PackageLoader

import issuing
from backoffice import staff
from issuing.applications.rules import ApplicationEvent, ApplicationState
from issuing.card_register.rules import CardEvent
from issuing.personalisation.agreement import _CHECKS
from issuing.products import PRODUCTS
from issuing.register.rules import RiderClass
from issuing.stock.rules import BlankEvent, BlankKind, BlankState
from rulebook.messages.facts import CardState, SamState

_HAN = re.compile(r"[一-鿿]")


@pytest.fixture(scope="module")
def labels() -> Any:
    # Our own templates, no page: nothing to escape.
    return Environment(loader=PackageLoader("issuing"), autoescape=True).get_template("labels.html").module


def _acts() -> set[str]:
    sources = [*Path(issuing.__path__[0]).rglob("*.py"), Path(staff.__file__)]
    written = chain.from_iterable(re.findall(r'act="([^"]+)"', path.read_text()) for path in sources)
    decisions = {f"application: {event}" for event in (ApplicationEvent.APPROVE, ApplicationEvent.REFUSE)}
    return {*written, "sign-in", *decisions, *(f"card: {event}" for event in CardEvent)}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("states", (*ApplicationState, *CardState, *SamState, *BlankState)),
        ("riders", RiderClass),
        ("products", PRODUCTS),
        ("kinds", BlankKind),
        ("stock_events", BlankEvent),
        ("wrongs", _CHECKS),
        ("acts", _acts()),
    ],
)
def test_every_word_has_its_chinese(labels: Any, table: str, words: Iterable[str]) -> None:
    known = getattr(labels, table)
    missing = [word for word in words if not _HAN.search(str(known.get(str(word), "")))]
    assert not missing


def test_a_word_is_shown_in_both_languages(labels: Any) -> None:
    assert str(labels.both(labels.riders, "student")) == '学生 <span lang="en">student</span>'
