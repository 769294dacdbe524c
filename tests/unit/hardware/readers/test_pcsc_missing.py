"""What one is told where PC/SC is not there."""

from __future__ import annotations

import sys

import pytest

from hardware.readers import pcsc


def test_use_without_pyscard_names_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "smartcard", None)
    with pytest.raises(pcsc.PcscUnavailable, match=r"citycard\[pcsc\]") as missing:
        pcsc.list_readers()
    assert missing.value.code == 0
    with pytest.raises(pcsc.PcscUnavailable):
        pcsc.PcscConnection("any reader")
