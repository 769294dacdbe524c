"""A device through everything that can happen between it and clearing, beside a model of what it ought to know."""

from __future__ import annotations

import sys
import tempfile
from datetime import timedelta
from importlib import util
from pathlib import Path
from typing import Any

import httpx
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from card_os.crypto.secret import Secret
from terminals.uplink import DeviceKey, NoParameters, ParametersRefused, ParameterStore, Uplink

_SPEC = util.spec_from_file_location("uplink_kit", Path(__file__).with_name("conftest.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
kit: Any = util.module_from_spec(_SPEC)
sys.modules["uplink_kit"] = kit  # dataclasses look their module up
_SPEC.loader.exec_module(kit)

HOUR = timedelta(hours=1)


class Device(RuleBasedStateMachine):
    """``told`` is the last statement the device took, as clearing meant it; ``files`` are packages of any age."""

    def __init__(self) -> None:
        super().__init__()
        self.clearing = kit.FakeClearing()
        self.folder = tempfile.TemporaryDirectory()
        client = httpx.Client(transport=httpx.MockTransport(self.clearing.answer))
        self.uplink = Uplink("http://clearing", DeviceKey(kit.DEVICE, Secret(bytes(32))), client)
        self.restart()
        self.store.pin(self.clearing.enrolled)
        self.told: Any = None
        self.expected: Any = None
        self.files: list[tuple[Any, Any, bytes]] = []
        self.trusted = {1}

    @property
    def now(self) -> Any:
        return self.clearing.now

    def meant(self) -> tuple[Any, Any]:
        """The statement that clearing would give now, and who is denied by it."""
        listed = self.clearing.changes(0, len(self.clearing.history)).entries()
        return self.clearing.statement(), listed

    def took(self, statement: Any, listed: Any) -> None:
        self.told, self.expected = statement, listed
        self.trusted = {statement.key, statement.newest_key}

    @rule(hours=st.integers(0, 30))
    def time_passes(self, hours: int) -> None:
        self.clearing.now += hours * HOUR
        coming = self.clearing.coming
        if coming is not None and coming[1] <= self.now:
            self.clearing.tariff, self.clearing.coming = coming[0], None

    @rule(card=st.integers(1, 5), denied=st.booleans())
    def a_card_is_reported(self, card: int, denied: bool) -> None:
        self.clearing.deny(card, denied=denied)

    @precondition(lambda self: self.clearing.coming is None)
    @rule(hours=st.integers(1, 20))
    def a_tariff_is_published(self, hours: int) -> None:
        self.clearing.coming = (self.clearing.tariff + 1, self.now + hours * HOUR)

    @rule()
    def a_key_is_announced(self) -> None:
        self.clearing.announced = True

    @precondition(lambda self: self.clearing.announced and self.clearing.key + 1 in self.trusted)
    @rule()
    def the_announced_key_signs(self) -> None:
        self.clearing.key, self.clearing.announced = self.clearing.key + 1, False

    @rule()
    def restart(self) -> None:
        self.store = ParameterStore(Path(self.folder.name), kit.DEVICE)

    @rule()
    def contact(self) -> None:
        statement, listed = self.meant()
        kept = self.store.current(self.uplink, self.now)
        assert kept.refused is None
        assert kept.clock_drift == timedelta(0)
        self.took(statement, listed)

    @rule(bit=st.integers(0, 10**6))
    def contact_over_a_bad_line(self, bit: int) -> None:
        def flip(_: str, content: bytes) -> bytes:
            at = bit % (8 * len(content))
            return content[: at // 8] + bytes([content[at // 8] ^ 1 << at % 8]) + content[at // 8 + 1 :]

        self.clearing.lie = flip
        try:
            assert self.store.current(self.uplink, self.now).refused is not None
        except NoParameters:
            assert self.told is None
        finally:
            self.clearing.lie = lambda _, content: content

    @rule()
    def a_file_is_taken_out(self) -> None:
        self.files.append((*self.meant(), self.clearing.package()))

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def a_file_is_brought(self, data: Any) -> None:
        statement, listed, package = data.draw(st.sampled_from(self.files))
        older = self.told is not None and (
            statement.issued_at < self.told.issued_at
            or statement.key < self.told.key
            or statement.tariff.version < self.told.tariff.version
            or statement.deny_list.version < self.told.deny_list.version
        )
        refused = statement.key not in self.trusted or older or self.now > statement.valid_until
        try:
            self.store.load(package, self.now)
        except ParametersRefused:
            assert refused
        else:
            assert not refused
            self.took(statement, listed)

    @invariant()
    def it_works_by_what_it_was_told_last(self) -> None:
        try:
            kept = self.store.last(self.now)
        except NoParameters:
            assert self.told is None
            return
        assert kept.statement == self.told
        assert kept.parameters.tariff_version == self.told.tariff_at(self.now).version
        assert kept.parameters.deny_list == self.expected

    def teardown(self) -> None:
        self.folder.cleanup()


TestDevice = Device.TestCase
TestDevice.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
