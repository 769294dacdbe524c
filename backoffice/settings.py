"""Settings of a staff service, from the environment (prefix ``CITYCARD_``) or given in code."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """``database_url`` is where this process connects: a service as its own role; the set-up, which hands each service
    its URL, as an administrator (empty: the embedded server in ``data_folder``). ``simulated_clock`` lets requests carry
    the city's time (``backoffice.clock``); never in a real city."""

    model_config = SettingsConfigDict(env_prefix="CITYCARD_", frozen=True)

    data_folder: Path = Path("var")
    database_url: SecretStr = SecretStr("")
    service_token: SecretStr
    session_secret: SecretStr
    issuing_url: str = "http://127.0.0.1:8701"
    clearing_url: str = "http://127.0.0.1:8702"
    vault: str = "software"
    simulated_clock: bool = False
