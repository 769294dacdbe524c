"""What a service writes when it breaks: enough to find the fault, no value of anybody's."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from sqlalchemy import URL

# A service of its own, as uvicorn runs it: every request breaks with secrets at hand.
_SERVICE = """
import asyncio, os
import httpx, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import make_url, text
from backoffice import logs, problems
from backoffice.database import Database

class Form(BaseModel):
    number: int

def make():
    logs.configure()
    app = FastAPI()
    problems.install(app)
    database = Database(make_url(os.environ["TEST_DATABASE"]))

    @app.get("/local")
    async def local():
        password = "SECRET-" + "LOCAL"
        raise RuntimeError("the local broke")

    @app.get("/chained")
    async def chained():
        try:
            Form(number="SECRET-" + "INPUT")
        except ValueError as error:
            raise RuntimeError("the form broke") from error

    @app.get("/sql/{statement}")
    async def sql(statement):
        async with database.transaction() as session:
            await session.execute(text(STATEMENTS[statement]), {"value": "SECRET-" + "PARAMETER"})
    return app

STATEMENTS = {
    "column": "SELECT nothing FROM issuing.staff WHERE name = CAST(:value AS text)",
    "driver": "SELECT CAST(:value AS integer)",
    "server": "SELECT CAST(CAST(:value AS text) AS integer)",
    "row": "INSERT INTO issuing.staff (name, roles) VALUES (CAST(:value AS text), '{}')",
}

async def main():
    server = uvicorn.Server(uvicorn.Config("__main__:make", factory=True, port=0, access_log=False))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        for path in ("local", "chained", *(f"sql/{name}" for name in STATEMENTS)):
            answer = await client.get(f"/{path}")
            print(answer.status_code, answer.text)
    server.should_exit = True
    await task

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def run(role_urls: dict[str, URL]) -> subprocess.CompletedProcess[str]:
    url = role_urls["issuing"].render_as_string(hide_password=False)
    environment = {**os.environ, "TEST_DATABASE": url}
    return subprocess.run(
        [sys.executable, "-c", _SERVICE], env=environment, capture_output=True, text=True, timeout=60, check=True
    )


def test_every_line_is_json_with_utc_time(run: subprocess.CompletedProcess[str]) -> None:
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert len(lines) > 12
    assert all(line["timestamp"].endswith("Z") and line["level"] for line in lines)


def test_each_fault_is_found_in_the_log(run: subprocess.CompletedProcess[str]) -> None:
    traces = [line["traceback"] for line in map(json.loads, run.stderr.splitlines()) if "traceback" in line]
    for what in (
        "RuntimeError: the local broke",
        "1 validation error for Form",
        "the form broke",
        "42703",
        "22P02",
        "23502",
    ):
        assert [trace for trace in traces if what in trace], what
    assert "in local:" in traces[0]


def test_no_value_is_in_log_or_answer(run: subprocess.CompletedProcess[str]) -> None:
    assert run.stdout.count("500 ") == 6
    assert "SECRET-" not in run.stdout
    # Source lines of the script itself are not shown: it has no file.
    assert "SECRET-" not in run.stderr
