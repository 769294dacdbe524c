"""Settings of a staff service, from the environment (prefix ``CITYCARD_``) or given in code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "CITYCARD_"
# 16 characters: an empty token would let everybody in, a short session secret could be guessed from a cookie.
Secret = Annotated[SecretStr, Field(min_length=16)]


class SettingsWrong(SystemExit):
    """The process cannot start; the message names each variable and what is wrong, never a value."""


class Settings(BaseSettings):
    """``database_url`` is where this process connects: a service as its own role; the set-up, which hands each service
    its URL, as an administrator (empty: the embedded server in ``data_folder``). ``simulated_clock`` lets requests carry
    the city's time (``backoffice.clock``), which is ``simulated_start`` before the first; never in a real city. Session
    cookies are for https only where the service's own URL says https."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True)

    data_folder: Path = Path("var")
    database_url: SecretStr = SecretStr("")
    service_token: Secret
    session_secret: Secret
    issuing_url: str = "http://127.0.0.1:8701"
    clearing_url: str = "http://127.0.0.1:8702"
    vault: Literal["software", "pkcs11"] = "software"
    simulated_clock: bool = False
    simulated_start: AwareDatetime | None = None


def settings_of_service() -> Settings:
    """A service's settings from the environment. Raises ``SettingsWrong``."""
    try:
        settings = Settings()  # type: ignore[call-arg]  # what is required comes from the environment
    except ValidationError as error:
        faults = [f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()]
        raise SettingsWrong("Wrong settings. " + "; ".join(faults)) from None
    if not settings.database_url.get_secret_value():
        raise SettingsWrong(f"Wrong settings. {PREFIX}DATABASE_URL: Field required (postgresql+asyncpg://…)")
    return settings
