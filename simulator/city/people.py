"""Synthetic citizens from one seed: valid numbers of real region codes, weighted names, nobody real."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from random import Random

from rulebook.numbers.citizen_id import check_character

STUDENT_AGES = range(7, 23)
ELDER_AGE = 65
RETIRED_AGE = 60  # ours; the working ages of the demonstration city are 23 to 59

# Share of each age band among citizens, in percent, and the ages in it (ours, roughly a Chinese city).
_AGE_BANDS: tuple[tuple[int, range], ...] = (
    (18, STUDENT_AGES),
    (60, range(23, RETIRED_AGE)),
    (10, range(RETIRED_AGE, 70)),
    (12, range(70, 91)),
)
# Most were born in Beijing's districts, some elsewhere (GB/T 2260).
_HOME_REGIONS = ("110101", "110102", "110105", "110106", "110107", "110108", "110112", "110113", "110114", "110115")
_OTHER_REGIONS = ("130102", "210102", "310101", "320102", "370102", "410102", "420102", "440103", "510104", "610102")


@dataclass(frozen=True, slots=True)
class Citizen:
    """One line of the population file."""

    citizen_id: str
    name: str
    sex: str  # "M" or "F"
    birth: date

    def age(self, on: date) -> int:
        return on.year - self.birth.year - ((on.month, on.day) < (self.birth.month, self.birth.day))


def _names() -> dict[str, tuple[Sequence[str], Sequence[float]]]:
    text = files("simulator.city").joinpath("data/names.csv").read_text("utf-8")
    kinds: dict[str, list[tuple[str, float]]] = {}
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        kinds.setdefault(row["kind"], []).append((row["value"], float(row["weight"] or 1)))
    return {kind: ([name for name, _ in rows], [weight for _, weight in rows]) for kind, rows in kinds.items()}


def citizens(count: int, *, random: Random, on: date) -> Iterator[Citizen]:
    """``count`` different people as they are on the day ``on``; the same ``random`` state gives the same people."""
    names = _names()
    seen: set[str] = set()
    while len(seen) < count:
        citizen = _citizen(random, on, names)
        if citizen.citizen_id not in seen:
            seen.add(citizen.citizen_id)
            yield citizen


def _citizen(random: Random, on: date, names: dict[str, tuple[Sequence[str], Sequence[float]]]) -> Citizen:
    (ages,) = random.choices([ages for _, ages in _AGE_BANDS], [share for share, _ in _AGE_BANDS])
    birth = on - timedelta(days=random.choice(ages) * 365 + random.randrange(365) + 30)
    sex = random.choice("MF")
    region = random.choice(_HOME_REGIONS if random.random() < 0.8 else _OTHER_REGIONS)
    order = 2 * random.randrange(5, 490) + (sex == "M")
    body = f"{region}{birth:%Y%m%d}{order:03d}"
    (family,) = random.choices(*names["last_names"])
    (given,) = random.choices(*names["first_names_male" if sex == "M" else "first_names_female"])
    return Citizen(body + check_character(body), family + given, sex, birth)
