"""A terminal takes what clearing signed for it, never goes back behind it, and works by the last good one without a network."""

from __future__ import annotations

import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from rulebook.calendar import BUSINESS_ZONE
from rulebook.deny_list import DenyList
from rulebook.messages.devices import DeviceKind, ParameterKey
from terminals.uplink import HostRefused, NoParameters, ParameterStore, Refusal, Uplink
from terminals.uplink.trust import ParametersRefused

NOON = datetime(2026, 9, 15, 12, tzinfo=BUSINESS_ZONE)
HOUR = timedelta(hours=1)
DENIED = b"\x11" * 10


def serials(kept: Any) -> list[bytes]:
    return [entry.serial for entry in kept.parameters.deny_list]


def flipped(content: bytes, bit: int) -> bytes:
    return bytes(octet ^ (0x80 >> bit % 8 if at == bit // 8 else 0) for at, octet in enumerate(content))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "parameters").iterdir()}


def test_what_clearing_signed_is_taken(bus: Any) -> None:
    kept = bus.asks()
    assert (kept.parameters.tariff_version, kept.parameters.tariff["name"]) == (1, "票价")
    assert (kept.parameters.list_version, serials(kept)) == (1, [DENIED])
    assert kept.refused is None


def test_a_restart_without_a_network_works_by_the_last_parameters(bus: Any) -> None:
    told = bus.asks()
    bus.clearing.silent = True
    kept = bus.asks(NOON + 9 * HOUR)
    assert (kept.parameters, kept.received_at, kept.statement) == (told.parameters, NOON, told.statement)


def test_a_restart_does_not_make_the_list_younger(bus: Any) -> None:
    bus.asks()
    bus.clearing.silent = True
    for hours in (24, 48, 73):
        kept = bus.asks(NOON + hours * HOUR)
    listed = DenyList.from_parameters(kept.parameters, received_at=kept.received_at)
    assert listed.too_old(NOON + 73 * HOUR, DeviceKind.VALIDATOR)
    assert not listed.too_old(NOON + 71 * HOUR, DeviceKind.VALIDATOR)


def test_only_what_changed_is_fetched(bus: Any) -> None:
    bus.asks()
    assert bus.clearing.asked == ["/parameters", "/parameters/tariff/1", "/parameters/deny-list?after=0&until=1"]
    bus.clearing.asked.clear()
    bus.asks()
    assert bus.clearing.asked == ["/parameters"]
    bus.clearing.asked.clear()
    bus.clearing.deny(0x22)
    bus.clearing.deny(0x11, denied=False)
    kept = bus.asks()
    assert bus.clearing.asked == ["/parameters", "/parameters/deny-list?after=1&until=3"]
    assert (kept.parameters.list_version, serials(kept)) == (3, [b"\x22" * 10])


def test_changes_that_do_not_lead_there_are_replaced_by_the_whole_list(bus: Any) -> None:
    bus.asks()
    bus.clearing.deny(0x22)
    bus.clearing.lie = lambda path, content: bus.clearing.changes(1, 1).encode() if "after=1" in path else content
    assert serials(bus.asks()) == [DENIED, b"\x22" * 10]
    assert bus.clearing.asked[-2:] == [
        "/parameters/deny-list?after=1&until=2",
        "/parameters/deny-list?after=0&until=2",
    ]


def test_a_tariff_told_ahead_begins_without_a_network(bus: Any) -> None:
    bus.clearing.coming = (2, NOON + 12 * HOUR)
    assert bus.asks().parameters.tariff_version == 1
    bus.clearing.silent = True
    almost = NOON + 12 * HOUR - timedelta(microseconds=1)
    assert bus.asks(almost).parameters.tariff_version == 1
    assert bus.asks(NOON + 12 * HOUR).parameters.tariff["version"] == 2


def test_every_flipped_bit_of_the_statement_is_refused_and_the_last_good_one_stays(bus: Any) -> None:
    told, before = bus.asks(), files(bus.folder)
    document = bus.clearing.signed(issued_at=NOON + HOUR)
    for bit in range(0, 8 * len(document), 7):  # 7 and 8 have no common factor: every place in a byte comes
        bus.clearing.lie = lambda _, __, bit=bit: flipped(document, bit)
        kept = bus.asks(NOON + HOUR)
        assert kept.refused is not None, bit
        assert kept.refused.refusal is Refusal.SIGNATURE_WRONG, bit
        assert (kept.parameters, kept.received_at) == (told.parameters, NOON)
    assert files(bus.folder) == before


def test_every_flipped_bit_of_a_file_is_refused(bus: Any) -> None:
    package = bus.clearing.package()
    for bit in range(0, 8 * len(package), 5):
        with pytest.raises(ParametersRefused):
            bus.store.load(flipped(package, bit), NOON)
    assert files(bus.folder).keys() == {"keys.json"}
    assert serials(bus.store.load(package, NOON)) == [DENIED]


def test_a_flipped_bit_in_what_was_kept_is_found(bus: Any) -> None:
    bus.asks()
    bus.clearing.silent = True
    for path in sorted((bus.folder / "parameters").iterdir()):
        content = path.read_bytes()
        path.write_bytes(flipped(content, 8 * len(content) - 1))
        with pytest.raises(NoParameters):
            bus.asks()
        path.write_bytes(content)
    assert serials(bus.asks()) == [DENIED]


@pytest.mark.parametrize("part", ["/parameters/tariff/1", "/parameters/deny-list"])
def test_a_part_that_is_not_what_the_statement_names_is_refused(bus: Any, part: str) -> None:
    bus.clearing.lie = lambda path, content: content[:-1] + b"!" if path.startswith(part) else content
    with pytest.raises(NoParameters, match="part_wrong"):
        bus.asks()


def test_a_statement_for_another_device_is_refused(bus: Any) -> None:
    with pytest.raises(ParametersRefused, match="device is BUS-A-0013, this is BUS-A-0012") as caught:
        bus.store.load(bus.clearing.package("BUS-A-0013"), NOON)
    assert caught.value.refusal is Refusal.OTHER_DEVICE


def test_a_statement_that_has_expired_is_refused(bus: Any) -> None:
    package = bus.clearing.package()
    with pytest.raises(ParametersRefused, match="fetch it anew, or set the clock") as caught:
        bus.store.load(package, NOON + 72 * HOUR + timedelta(seconds=1))
    assert caught.value.refusal is Refusal.EXPIRED
    assert serials(bus.store.load(package, NOON + 72 * HOUR)) == [DENIED]


@pytest.mark.parametrize("newer", ["time", "tariff", "list"])
def test_an_older_statement_is_refused_whatever_is_older_in_it(bus: Any, newer: str) -> None:
    older = bus.clearing.package()
    if newer == "time":
        bus.clearing.now = NOON + timedelta(microseconds=1)
    elif newer == "tariff":
        bus.clearing.tariff = 2
    else:
        bus.clearing.deny(0x22)
    told = bus.asks()
    with pytest.raises(ParametersRefused) as caught:
        bus.store.load(older, NOON)
    assert caught.value.refusal is Refusal.OLDER
    assert bus.store.last(bus.clearing.now).parameters == told.parameters


def test_the_same_statement_again_changes_nothing(bus: Any) -> None:
    package = bus.clearing.package()
    bus.store.load(package, NOON)
    before = files(bus.folder)
    bus.store.load(package, NOON)
    assert files(bus.folder) == before


def test_a_file_is_as_old_as_its_statement_however_late_it_is_read(bus: Any) -> None:
    kept = bus.store.load(bus.clearing.package(), NOON + 50 * HOUR)
    assert kept.received_at == NOON
    assert kept.clock_drift is None


def test_a_file_with_a_part_too_many_or_too_few_is_refused(bus: Any) -> None:
    whole = bus.clearing.package()
    for package in (whole + b"\x00\x00\x00\x01!", whole[: -4 - 51]):
        with pytest.raises(ParametersRefused) as caught:
            bus.store.load(package, NOON)
        assert caught.value.refusal is Refusal.PART_WRONG


@pytest.mark.parametrize("package", [b"", b"CCP1", b"CCP2" + bytes(100), b"CCP1\x00", b"CCP1\x00\x00\x00\x09short"])
def test_what_is_no_file_of_parameters_is_refused(bus: Any, package: bytes) -> None:
    with pytest.raises(ParametersRefused):
        bus.store.load(package, NOON)


def test_a_key_that_was_announced_takes_over_and_the_old_one_is_trusted_no_more(bus: Any) -> None:
    before = bus.clearing.package()
    bus.clearing.announced = True
    bus.asks()
    bus.clearing.announced, bus.clearing.key = False, 2
    assert bus.asks().refused is None
    with pytest.raises(ParametersRefused, match=r"no key this device trusts \(2\) signed it"):
        bus.store.load(before, NOON)


def test_a_key_that_nobody_announced_is_refused(bus: Any) -> None:
    bus.asks()
    bus.clearing.key = 2
    kept = bus.asks()
    assert kept.refused is not None
    assert kept.refused.refusal is Refusal.SIGNATURE_WRONG


def test_a_statement_cannot_name_another_key_than_the_one_that_signed(bus: Any) -> None:
    from_first = bus.clearing.statement(key=2, next_key=None)
    bus.clearing.lie = lambda _, __: bus.clearing.sealed(from_first)
    with pytest.raises(NoParameters, match="key is 2, 1 signed"):
        bus.asks()


def test_what_was_told_before_is_nothing_after_a_new_enrolment(bus: Any) -> None:
    bus.asks()
    bus.store.pin(bus.clearing.enrolled)
    bus.clearing.silent = True
    with pytest.raises(NoParameters):
        bus.asks()


@pytest.mark.parametrize("minutes", [-4, 0, 90])
def test_the_drift_of_the_clock_is_known_from_the_statement(bus: Any, minutes: int) -> None:
    kept = bus.asks(NOON + timedelta(minutes=minutes))
    assert kept.clock_drift == timedelta(minutes=minutes)
    assert kept.received_at == NOON + timedelta(minutes=min(0, minutes))


def test_the_newest_answer_is_kept_and_only_the_devices_user_reads_it(bus: Any) -> None:
    bus.asks()
    bus.clearing.tariff, bus.clearing.now = 2, NOON + HOUR
    bus.asks()
    assert bus.store.last(NOON + 2 * HOUR).parameters.tariff_version == 2
    assert len(files(bus.folder)) == 4  # statement, keys, tariff, deny list
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (bus.folder / "parameters").iterdir()}
    assert modes == {0o600}


def test_a_write_cut_off_leaves_the_last_ones(bus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bus.asks()

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("terminals.uplink.durable.os.fsync", full)
    bus.clearing.tariff = 2
    # The device goes on by what it was told, and keeps what it had.
    assert bus.asks().parameters.tariff_version == 2
    assert bus.store.last(NOON).parameters.tariff_version == 1


def test_a_device_that_was_never_told_needs_a_network(bus: Any) -> None:
    bus.clearing.silent = True
    with pytest.raises(NoParameters, match="connect the device to clearing once"):
        bus.asks()


def test_a_device_that_was_never_enrolled_trusts_nobody(bus: Any, tmp_path: Path) -> None:
    with pytest.raises(NoParameters, match="enrol the device"):
        ParameterStore(tmp_path / "new", "BUS-A-0012").current(bus.uplink, NOON)


def test_a_device_that_clearing_turns_away_does_not_fall_back(bus: Any) -> None:
    bus.asks()
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(403)))
    with pytest.raises(HostRefused):
        bus.store.current(Uplink("http://clearing", bus.uplink._key, client), NOON)


@pytest.mark.parametrize("content", [b"", b"2026-09-15T12:00:00+08:00", b"noon\n{}", b"\xff\n\xff"])
def test_what_cannot_be_read_is_said(bus: Any, content: bytes) -> None:
    (bus.folder / "parameters" / "statement").write_bytes(content)
    with pytest.raises(NoParameters, match="cannot be read"):
        bus.store.last(NOON)


def test_a_moment_without_a_zone_is_no_moment(bus: Any) -> None:
    bus.asks()
    (bus.folder / "parameters" / "statement").write_bytes(b"2026-09-15T12:00:00\n" + bus.clearing.signed())
    bus.clearing.silent = True
    with pytest.raises(NoParameters, match="cannot be read"):
        bus.asks()


def test_a_clock_set_back_before_the_last_contact_is_named(bus: Any) -> None:
    """Otherwise a thief who sets the clock back makes an old list young for ever."""
    bus.asks()
    assert serials(bus.store.last(NOON - timedelta(minutes=5))) == [DENIED]
    with pytest.raises(NoParameters, match="set the device's clock"):
        bus.store.last(NOON - timedelta(minutes=6))


def test_a_key_number_of_nothing_is_no_key() -> None:
    with pytest.raises(ValueError):
        ParameterKey(number=0, public=bytes(32))
