from datetime import UTC, datetime, timedelta

import pytest

from rulebook.deny_list import SPREADING, Bearer, DenyList, Ground, Judgement, in_force_at, judge
from rulebook.messages.devices import DenyEntry, DeviceKind, Parameters

ISSUER = bytes.fromhex("01991000FFFFFFFF")
SERIAL = bytes.fromhex("03109910000000000017")
REPORTED = datetime(2026, 9, 15, 8, tzinfo=UTC)
GATE_FORCE = in_force_at(REPORTED, DeviceKind.GATE)
SECOND = timedelta(seconds=1)


def test_every_kind_of_device_has_a_spreading_time() -> None:
    assert set(SPREADING) == set(DeviceKind)
    assert all(spreading.time < spreading.list_limit for spreading in SPREADING.values())


@pytest.mark.parametrize(
    ("tapped_at", "said", "ground", "bearer"),
    [
        (REPORTED - SECOND, 9, Ground.NOT_DENIED, None),
        (REPORTED, 4, Ground.BEFORE_IN_FORCE, Bearer.ISSUER),
        (GATE_FORCE - SECOND, 4, Ground.BEFORE_IN_FORCE, Bearer.ISSUER),
        (GATE_FORCE - SECOND, 5, Ground.BEFORE_IN_FORCE, Bearer.ISSUER),
        (GATE_FORCE, 4, Ground.OLD_LIST, Bearer.OPERATOR),
        (GATE_FORCE, 5, Ground.LET_THROUGH, Bearer.OPERATOR),
    ],
)
def test_a_tap_is_judged_by_the_list_it_ought_to_have_had(
    tapped_at: datetime, said: int, ground: Ground, bearer: Bearer | None
) -> None:
    judgement = judge(
        tapped_at=tapped_at, kind=DeviceKind.GATE, reported_at=REPORTED, listed_since_version=5, said_version=said
    )
    assert judgement == Judgement(ground, bearer)


def test_a_bus_has_longer_to_learn_than_a_gate() -> None:
    at = GATE_FORCE + SECOND
    of_kind = {
        kind: judge(tapped_at=at, kind=kind, reported_at=REPORTED, listed_since_version=5, said_version=4).ground
        for kind in (DeviceKind.GATE, DeviceKind.VALIDATOR)
    }
    assert of_kind == {DeviceKind.GATE: Ground.OLD_LIST, DeviceKind.VALIDATOR: Ground.BEFORE_IN_FORCE}


def test_the_products_rule_may_let_the_holder_bear_it() -> None:
    judgement = judge(
        tapped_at=REPORTED,
        kind=DeviceKind.GATE,
        reported_at=REPORTED,
        listed_since_version=None,
        said_version=4,
        before_force=Bearer.HOLDER,
    )
    assert judgement.bearer is Bearer.HOLDER


def test_a_card_never_reported_is_not_judged() -> None:
    never = judge(tapped_at=REPORTED, kind=DeviceKind.GATE, reported_at=None, listed_since_version=None, said_version=1)
    assert never == Judgement(Ground.NOT_DENIED, None)


def test_a_list_from_parameters_keeps_the_first_report_of_a_card() -> None:
    parameters = Parameters(
        tariff_version=1,
        tariff={},
        list_version=5,
        deny_list=[
            DenyEntry(issuer=ISSUER, serial=SERIAL, reported_at=REPORTED + SECOND),
            DenyEntry(issuer=ISSUER, serial=SERIAL, reported_at=REPORTED),
        ],
    )
    deny_list = DenyList.from_parameters(parameters, received_at=REPORTED)
    assert deny_list.version == 5
    assert deny_list.entries == {(ISSUER, SERIAL): REPORTED}
    assert deny_list.denies(ISSUER, SERIAL)
    assert not deny_list.denies(ISSUER[::-1], SERIAL)
    assert not deny_list.denies(ISSUER, SERIAL[::-1])


def test_a_terminal_stops_when_its_list_is_older_than_the_limit() -> None:
    deny_list = DenyList.of(1, [], received_at=REPORTED)
    limit = REPORTED + SPREADING[DeviceKind.GATE].list_limit
    assert not deny_list.too_old(limit, DeviceKind.GATE)
    assert deny_list.too_old(limit + SECOND, DeviceKind.GATE)
    assert not deny_list.too_old(limit + SECOND, DeviceKind.VALIDATOR)
