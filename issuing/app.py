"""The issuing service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import make_url

from backoffice import logs
from backoffice.database import Database
from backoffice.settings import Settings, settings_of_service
from backoffice.web import Service, create_service_app
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.opening import open_demonstration_vault
from hardware.vault.vault import Vault
from issuing import demonstration, pages
from issuing.applications import api as applications
from issuing.base import accounts
from issuing.card_register import api as card_register
from issuing.counter import api as counter
from issuing.feed import api as feed
from issuing.register import api as register
from issuing.sams import api as sams
from issuing.stock import api as stock

TITLE = ("发卡中心", "Card issuing")
_WORDS = (register, applications, stock, counter, card_register, sams, feed, pages)


def create_app(
    settings: Settings,
    vault: Vault,
    *,
    database: Database | None = None,
    prepare: Callable[[Database], Awaitable[None]] | None = None,
) -> FastAPI:
    """``settings.database_url`` is this service's own role's URL; a given ``database`` goes before it and stays open.
    ``prepare`` runs once before the first request."""
    own = database is None
    used = database or Database(make_url(settings.database_url.get_secret_value()))
    service = Service(
        name="issuing", title=TITLE, settings=settings, database=used, accounts=accounts, pages=pages.NAVIGATION
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if prepare is not None:
            await prepare(used)
        yield
        if own:
            await used.close()

    # The register of ten million persons.
    app = create_service_app(service, lifespan, larger={"/register/files": 1024**3})
    app.state.vault = vault
    for word in _WORDS:
        app.include_router(word.router)
    return app


def from_environment() -> FastAPI:
    """The demonstration's service for ``uvicorn --factory``: settings from the environment, its vault, its two accounts."""
    logs.configure()
    settings = settings_of_service()
    vault = open_demonstration_vault(
        settings.vault, service="issuing", labels=ISSUING_LABELS, folder=settings.data_folder
    )
    return create_app(settings, vault, prepare=demonstration.seed)
