"""A terminal restarted without a network works by what it was told last, as long as its list is not too old."""

import stat
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from card_os.crypto.secret import Secret
from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.devices import DenyEntry, DeviceKind, Parameters
from rulebook.messages.medical import to_wire
from rulebook.tariff import History, Ride, RiderClass, price
from rulebook.tariff.demonstration import demonstration_document
from terminals.dialogues.context import Rules
from terminals.uplink import DeviceKey, HostRefused, Kept, NoParameters, ParameterStore, Uplink

NOON = datetime(2026, 9, 15, 12, tzinfo=BUSINESS_ZONE)
DENIED = DenyEntry(issuer=bytes(8), serial=b"\x11" * 10, reported_at=NOON - timedelta(days=2))


def told(version: int = 1) -> Parameters:
    document = demonstration_document(version=version)
    return Parameters(tariff_version=version, tariff=document, list_version=7, deny_list=[DENIED])


def uplink(answer: httpx.Response) -> Uplink:
    client = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
    return Uplink("http://clearing", DeviceKey("BUS-A-0012", Secret(bytes(32))), client)


def connected(version: int = 1) -> Uplink:
    return uplink(httpx.Response(200, content=to_wire(told(version))))


OFFLINE = uplink(httpx.Response(503))


def test_a_restart_without_a_network_works_by_the_last_parameters(tmp_path: Path) -> None:
    ParameterStore(tmp_path).current(connected(), NOON)
    kept = ParameterStore(tmp_path).current(OFFLINE, NOON + timedelta(hours=9))
    assert kept == Kept(told(), NOON)
    rules = Rules.of(kept.parameters, received_at=kept.received_at)
    ride = Ride(entry="0101", exit="0115", entered_at=NOON, charged_at=NOON, rider_class=RiderClass.ORDINARY)
    expected = Rules.of(told(), received_at=NOON)
    assert price(ride, rules.tariff, History.none(NOON)) == price(ride, expected.tariff, History.none(NOON))
    assert rules.deny_list == expected.deny_list
    assert rules.deny_list.denies(DENIED.issuer, DENIED.serial)


def test_a_restart_does_not_make_the_list_younger(tmp_path: Path) -> None:
    ParameterStore(tmp_path).current(connected(), NOON)
    for hours in (24, 48, 71):
        ParameterStore(tmp_path).current(OFFLINE, NOON + timedelta(hours=hours))
    kept = ParameterStore(tmp_path).current(OFFLINE, NOON + timedelta(hours=73))
    rules = Rules.of(kept.parameters, received_at=kept.received_at)
    assert rules.deny_list.too_old(NOON + timedelta(hours=73), DeviceKind.VALIDATOR)
    assert not rules.deny_list.too_old(NOON + timedelta(hours=71), DeviceKind.VALIDATOR)


def test_the_newest_answer_is_kept_and_only_the_devices_user_reads_it(tmp_path: Path) -> None:
    store = ParameterStore(tmp_path)
    store.current(connected(1), NOON)
    store.current(connected(2), NOON + timedelta(hours=1))
    assert store.last(NOON + timedelta(hours=2)) == Kept(told(2), NOON + timedelta(hours=1))
    assert [path.name for path in tmp_path.iterdir()] == ["parameters.json"]
    assert stat.S_IMODE((tmp_path / "parameters.json").stat().st_mode) == 0o600


def test_a_write_cut_off_leaves_the_last_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ParameterStore(tmp_path)
    store.current(connected(1), NOON)

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("terminals.uplink.durable.os.fsync", full)
    # The device goes on by what it was told, and keeps what it had.
    assert store.current(connected(2), NOON).parameters.tariff_version == 2
    assert store.last(NOON).parameters.tariff_version == 1


def test_a_device_that_was_never_told_needs_a_network(tmp_path: Path) -> None:
    with pytest.raises(NoParameters, match="connect the device to clearing once"):
        ParameterStore(tmp_path).current(OFFLINE, NOON)


def test_a_device_that_clearing_turns_away_does_not_fall_back(tmp_path: Path) -> None:
    ParameterStore(tmp_path).current(connected(), NOON)
    with pytest.raises(HostRefused):
        ParameterStore(tmp_path).current(uplink(httpx.Response(401)), NOON)


@pytest.mark.parametrize(
    "content",
    [b"", b"2026-09-15T12:00:00+08:00", b"2026-09-15T12:00:00+08:00\n{}", b"noon\n{}", b"\xff\n\xff"],
    ids=["empty", "cut", "other message", "no moment", "noise"],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "parameters.json").write_bytes(content)
    with pytest.raises(NoParameters, match="cannot be read"):
        ParameterStore(tmp_path).last(NOON)


def test_a_moment_without_a_zone_is_no_moment(tmp_path: Path) -> None:
    (tmp_path / "parameters.json").write_bytes(b"2026-09-15T12:00:00\n" + to_wire(told()))
    with pytest.raises(NoParameters, match="cannot be read"):
        ParameterStore(tmp_path).last(NOON)


def test_a_clock_set_back_before_the_last_contact_is_named(tmp_path: Path) -> None:
    """Otherwise a thief who sets the clock back makes an old list young for ever."""
    store = ParameterStore(tmp_path)
    store.current(connected(), NOON)
    assert store.last(NOON - timedelta(minutes=5)).parameters == told()
    with pytest.raises(NoParameters, match="set the device's clock"):
        store.last(NOON - timedelta(minutes=6))
