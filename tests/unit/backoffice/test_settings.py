"""A service without its settings says which are missing, and shows no value."""

from __future__ import annotations

import os

import pytest

from backoffice.settings import SettingsWrong, settings_of_service

COMPLETE = {
    "CITYCARD_SERVICE_TOKEN": "a-token-of-this-test",
    "CITYCARD_SESSION_SECRET": "a-secret-of-this-test",
    "CITYCARD_DATABASE_URL": "postgresql+asyncpg://issuing:a-password@localhost/citycard",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CITYCARD_")]:
        monkeypatch.delenv(name)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
def test_each_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsWrong) as wrong:
        settings_of_service()
    assert name in str(wrong.value)
    assert not [given for given in COMPLETE.values() if given in str(wrong.value)]


def test_a_short_secret_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYCARD_SESSION_SECRET", "too-short")
    with pytest.raises(SettingsWrong, match=r"CITYCARD_SESSION_SECRET.*16") as wrong:
        settings_of_service()
    assert "too-short" not in str(wrong.value)


def test_an_unknown_vault_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYCARD_VAULT", "paper")
    with pytest.raises(SettingsWrong, match=r"CITYCARD_VAULT.*'software' or 'pkcs11'"):
        settings_of_service()


def test_settings_do_not_show_their_secrets() -> None:
    settings = settings_of_service()
    assert not [given for given in COMPLETE.values() if given in f"{settings!r}{settings}{settings.model_dump()}"]
