"""The clearing service: ``uvicorn clearing.app:from_environment --factory``."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import structlog
from fastapi import FastAPI
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice import logs
from backoffice.database import Database
from backoffice.settings import Settings, settings_of_service
from backoffice.staff import DemonstrationAccount
from backoffice.web import Page, Service, create_service_app
from clearing.adjustments import api as adjustments
from clearing.apportionment import pages as apportionment_pages
from clearing.base import accounts
from clearing.benefits import api as benefits
from clearing.benefits import pages as medical_pages
from clearing.cases import api as cases
from clearing.cases.escalation import escalate
from clearing.demonstration import ACCOUNTS
from clearing.devices import api as devices
from clearing.devices import pages as device_pages
from clearing.devices import parameters_api, publishing_api
from clearing.devices.key_change import ensure_key
from clearing.devices.parameter_keys import keys_in
from clearing.devices.publishing import adopt_published
from clearing.exchange import api as exchange
from clearing.exchange import pages as exchange_pages
from clearing.exchange.unanswered import follow_answers
from clearing.facts import api as facts
from clearing.facts.service import pull
from clearing.files import Files
from clearing.gaps import pages as gap_pages
from clearing.gaps.service import follow_deadlines
from clearing.history import api as card_history
from clearing.intake import api as intake
from clearing.intake import collected
from clearing.intake.files import pages as file_pages
from clearing.ledger import api as reservations
from clearing.ledger import pages as ledger_pages
from clearing.loads import api as loads
from clearing.opening import api as opening
from clearing.participants import api as documents
from clearing.participants import pages as document_pages
from clearing.participants import publishing
from clearing.participants.city_document import as_document
from clearing.participants.documents import DocumentKind, demonstration_documents
from clearing.participants.rules import City, demonstration
from clearing.participants.service import open_personal_accounts, publish_city, publish_tariff
from clearing.reconciliation import api as reconciliation
from clearing.reconciliation import pages as money_pages
from clearing.reports import api as prepaid_reports
from clearing.restatement import api as restatement
from clearing.settlement import api as settlement
from clearing.settlement import pages
from clearing.settlement.queries import ensure_open
from clearing.settlement.running import Runs
from clearing.uploads import api as uploads
from clearing.uploads.rules import LARGEST, Target
from hardware.vault.demonstration import CLEARING_LABELS
from hardware.vault.opening import open_demonstration_vault
from hardware.vault.vault import Vault
from rulebook.tariff.demonstration import demonstration_document

log = structlog.get_logger()

FEED_INTERVAL_S = 30
LARGER_CONTENT = {
    "/uploads/": LARGEST[Target.FILE],
    "/files": LARGEST[Target.FILE] + 1024**2,  # with the form around it
    "/openings": 1024**3,  # ten million cards
}
_DAY, _MONEY = ("日终", "Day's end"), ("资金", "Money")
_WORK, _BOOKS, _BASE = ("处理", "Work"), ("账务", "Books"), ("基础", "Base")
PAGES = (
    Page("/", "总览", "Overview", _DAY),
    Page("/windows", "清算窗口", "Windows", _DAY),
    Page("/exceptions", "异常", "Exceptions", _DAY),
    Page("/batches", "上传批次", "Batches", _DAY),
    Page("/files", "运营方文件", "Operators' files", _DAY, for_guests=True),
    Page("/gaps", "缺口", "Gaps", _DAY),
    Page("/settlement", "资金结算", "Settlement", _MONEY),
    Page("/bank", "银行账户", "Bank", _MONEY),
    Page("/exchange", "异地清分", "Exchange", _MONEY),
    Page("/reports/prepaid", "备付金报告", "Prepaid reports", _MONEY),
    Page("/cases", "案件", "Cases", _WORK),
    Page("/open-taps", "挂账交易", "Open taps", _WORK),
    Page("/loads", "未完成充值", "Open loads", _WORK),
    Page("/adjustments", "调账", "Adjustments", _WORK),
    Page("/restatements", "重算", "Restatements", _WORK),
    Page("/card-history", "卡片明细", "Card history", _WORK),
    Page("/accounts", "账户", "Accounts", _BOOKS),
    Page("/balances", "历史余额", "Balances as of", _BOOKS),
    Page("/openings", "期初迁移", "Opening", _BOOKS),
    Page("/visits", "就诊结算", "Medical visits", _BOOKS),
    Page("/documents", "合同与协议", "Contracts", _BASE),
    Page("/apportionment", "票款分摊", "Shared rides", _BASE),
    Page("/devices", "终端", "Devices", _BASE),
    Page("/publishing", "参数发布", "Parameters", _BASE),
)


def create_app(
    settings: Settings,
    vault: Vault,
    *,
    database: Database | None = None,
    issuing: httpx.AsyncClient | None = None,
    city: City | None = None,
    tariff: Mapping[str, Any] | None = None,
    agreed: Mapping[DocumentKind, Mapping[str, Any]] | None = None,
    staff: Mapping[str, DemonstrationAccount] | None = None,
) -> FastAPI:
    """``settings.database_url`` is this service's own role's URL; a given ``database`` goes before it and stays open, as a
    given ``issuing`` client does. At its first start the app publishes ``city`` and what participants
    ``agreed`` on, at every start ``tariff`` (the demonstration's by default), opens the first window and makes the accounts
    of ``staff`` where they are missing."""
    own_database, own_client = database is None, issuing is None
    database = database or Database(make_url(settings.database_url.get_secret_value()))
    issuing = issuing or httpx.AsyncClient(
        base_url=settings.issuing_url,
        headers={"Authorization": f"Bearer {settings.service_token.get_secret_value()}"},
        trust_env=False,
        timeout=60,
    )
    service = Service(
        name="clearing",
        title=("市民卡清算", "Citycard Clearing"),
        settings=settings,
        database=database,
        accounts=accounts,
        pages=PAGES,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(_sweep, Files(settings.data_folder / "clearing"))
        await _set_up(service, city or demonstration(), tariff or demonstration_document(), staff or {})
        await _agree(service, agreed if agreed is not None else demonstration_documents(its_network=tariff is None))
        # A simulated city says itself when the feed is pulled, so that one seed gives one day.
        timer = None if settings.simulated_clock else asyncio.create_task(_keep_pulling(service, issuing))
        yield
        if timer is not None:
            timer.cancel()
            with suppress(asyncio.CancelledError):
                await timer
        if own_client:
            await issuing.aclose()
        if own_database:
            await database.close()

    app = create_service_app(service, lifespan, larger=LARGER_CONTENT)
    app.state.vault = vault
    app.state.issuing = issuing
    app.state.runs = Runs()
    for word in (
        loads,  # asked first: a cardholder waits
        devices,
        parameters_api,
        publishing_api,
        facts,
        intake,
        collected,
        uploads,
        card_history,
        benefits,
        settlement,
        cases,
        adjustments,
        restatement,
        prepaid_reports,
        reconciliation,
        exchange,
        exchange_pages,
        pages,
        gap_pages,
        file_pages,
        documents,
        document_pages,
        apportionment_pages,
        device_pages,
        medical_pages,
        money_pages,
        ledger_pages,
        reservations,
        opening,
    ):
        app.include_router(word.router)
    return app


def from_environment() -> FastAPI:
    """The demonstration's service for ``uvicorn --factory``: settings from the environment, its vault, its accounts."""
    logs.configure()
    settings = settings_of_service()
    vault = open_demonstration_vault(
        settings.vault, service="clearing", labels=CLEARING_LABELS, folder=settings.data_folder
    )
    app = create_app(settings, vault, staff=ACCOUNTS)
    # What is there now stays: looking through it for garbage would hold every load up, a fifth of a second each time.
    gc.collect()
    gc.freeze()
    return app


async def _set_up(
    service: Service, city: City, tariff: Mapping[str, Any], staff: Mapping[str, DemonstrationAccount]
) -> None:
    now = service.clock.now()
    async with service.database.transaction() as session:
        if await publishing.in_force(session, DocumentKind.CITY) is None:
            await publish_city(session, city, now=now)
        await publish_tariff(session, tariff, now=now)
        await publishing.set_up(session, DocumentKind.CITY, as_document(city), now=now)
        await adopt_published(session)
        await ensure_key(session, keys_in(service.settings.data_folder), now=now)
        await ensure_open(session, now=now)
        for name, account in staff.items():
            await service.accounts.seed(session, name, account.password, account.roles)


def _sweep(files: Files) -> None:
    try:
        swept = files.sweep()
    except OSError as error:  # it takes room and does no other harm
        log.warning("leftovers not removed", error=type(error).__name__, detail=str(error))
    else:
        if swept:
            log.info("leftovers of a killed process removed", count=len(swept))


async def _agree(service: Service, agreed: Mapping[DocumentKind, Mapping[str, Any]]) -> None:
    async with service.database.transaction() as session:
        for kind, document in agreed.items():
            await publishing.set_up(session, kind, document, now=service.clock.now())


async def _keep_pulling(service: Service, issuing: httpx.AsyncClient) -> None:
    while True:
        await one_round(service, issuing)
        await asyncio.sleep(FEED_INTERVAL_S)


_FOLLOWED: Mapping[str, Callable[..., Awaitable[object]]] = {
    "personal accounts not opened": open_personal_accounts,
    "gaps not followed": follow_deadlines,
    "answers not followed": follow_answers,
    "cases not escalated": escalate,
}


async def one_round(service: Service, issuing: httpx.AsyncClient) -> None:
    """What the timer does: the deny list must come whatever is wrong with a deadline."""
    async with _tried(service, "feed not pulled") as session:
        if items := await pull(session, issuing):
            log.info("feed pulled", items=items)
    for failed, follow in _FOLLOWED.items():
        async with _tried(service, failed) as session:
            await follow(session, now=service.clock.now())


@asynccontextmanager
async def _tried(service: Service, failed: str) -> AsyncIterator[AsyncSession]:
    """A transaction of its own. Whatever goes wrong in it is told, and the next must still come."""
    try:
        async with service.database.transaction() as session:
            yield session
    except Exception as error:
        log.warning(failed, error=type(error).__name__, detail=str(error))
