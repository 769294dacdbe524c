"""Sub-commands come from entry points and are imported when they are called, not before."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from citycard import main

MODULE = '''"""Summary of {word}.

More about it."""
import typer
app = typer.Typer()
@app.callback()
def group() -> None:
    """A group."""
@app.command()
def show() -> None:
    typer.echo("{word} shown")
'''
SINGLE = '''"""Serve something."""
import typer
app = typer.Typer()
@app.command()
def serve(port: int = 1) -> None:
    typer.echo(f"serving at {port}")
'''


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    for word in ("first", "second"):
        (tmp_path / f"cctest_{word}.py").write_text(MODULE.replace("{word}", word))
    (tmp_path / "cctest_serve.py").write_text(SINGLE)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("cctest_first", "cctest_second", "cctest_serve"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return [
        EntryPoint("first", "cctest_first:app", main.COMMANDS),
        EntryPoint("first.serve", "cctest_serve:app", main.COMMANDS),
        EntryPoint("second", "cctest_second:app", main.COMMANDS),
        EntryPoint("third.serve", "cctest_serve:app", main.COMMANDS),
    ]


def loaded() -> set[str]:
    return {name for name in sys.modules if name.startswith("cctest_")}


def run(entries: list[EntryPoint], *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.build(entries)(list(arguments), prog_name="citycard")
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_help_names_every_command_and_imports_none(entries, capsys):
    assert run(entries, "--help") == 0
    text = capsys.readouterr().out
    assert "Summary of first." in text
    assert "Summary of second." in text
    assert "third" in text
    assert loaded() == set()


def test_a_call_imports_its_own_module_only(entries, capsys):
    assert run(entries, "second", "show") == 0
    assert capsys.readouterr().out == "second shown\n"
    assert loaded() == {"cctest_second"}


def test_a_command_below_a_group_of_another_package(entries, capsys):
    assert run(entries, "first", "serve", "--port", "7") == 0
    assert run(entries, "first", "show") == 0
    assert run(entries, "third", "serve") == 0
    assert capsys.readouterr().out == "serving at 7\nfirst shown\nserving at 1\n"


def test_the_help_below_a_group_names_both_kinds_and_imports_the_group_only(entries, capsys):
    assert run(entries, "first", "--help") == 0
    text = capsys.readouterr().out
    assert "show" in text
    assert "Serve something." in text
    assert loaded() == {"cctest_first"}


def test_an_unknown_command_is_refused(entries, capsys):
    assert run(entries, "fourth") == 2
    assert "No such command 'fourth'" in capsys.readouterr().err


def test_the_version_is_printed(entries, capsys):
    assert run(entries, "--version") == 0
    assert capsys.readouterr().out.startswith("citycard 0.")


def test_line_editing_is_loaded_for_the_shell_alone() -> None:
    said = "import sys, terminals.cli; sys.exit('prompt_toolkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said], check=False).returncode == 0
