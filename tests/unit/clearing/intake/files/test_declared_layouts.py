"""Fixed-width and XML files by a declared layout, and what a layout must say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clearing.intake.files.faults import FileFaults
from clearing.intake.files.layout import Layout, MalformedLayout, layout_named, layout_names, load_layout
from clearing.intake.files.reading import read_operators_file
from rulebook.record import Event, Kind, Outcome, Record

PACKAGE = """<?xml version="1.0" encoding="UTF-8"?>
<Message xmlns="http://etc.example/"><Header><MessageId>7</MessageId></Header><Body ContentType="1"><Count>2</Count>
{rows}</Body></Message>"""
ROW = {
    "TransId": "1",
    "Time": "2026-09-15T08:00:05",
    "Fee": "1.10",
    "NetNo": "0310",
    "CardId": "9910000000000001",
    "PreBalance": "50.00",
    "TAC": "0A0B0C0D",
    "TransType": "09",
    "TerminalNo": "991000000001",
    "TerminalTransNo": "0000002A",
    "CustomizedData": "BUS-A-0001  000000070003",
    "AlgorithmIdentifier": "1",
}


def _package(tmp_path: Path, *rows: dict[str, str]) -> Path:
    def row(of: dict[str, str]) -> str:
        tags = {name: f"<{name}>{value}</{name}>" if value is not None else "" for name, value in of.items()}
        card = "".join(tags.pop(name) for name in ("NetNo", "CardId", "PreBalance"))
        proof = "".join(tags.pop(name) for name in ("TAC", "TransType", "TerminalNo", "TerminalTransNo"))
        rest = "".join(tags.values())
        return f"<Transaction>{rest}<ICCard>{card}</ICCard><Validation>{proof}</Validation></Transaction>\n"

    path = tmp_path / "package.xml"
    path.write_text(PACKAGE.format(rows="".join(row(ROW | of) for of in rows)))
    return path


def _faults(path: Path, layout: Layout) -> list[tuple[int, str, str]]:
    with pytest.raises(FileFaults) as refused:
        read_operators_file(path, layout)
    return [(fault.row, fault.column, fault.problem) for fault in refused.value.faults]


def test_a_transaction_of_an_etc_package_is_an_intent_and_its_outcome(tmp_path: Path) -> None:
    path = _package(tmp_path, {}, {"Fee": "19.99", "CustomizedData": "BUS-A-0001  00000008000F"})
    intent, outcome, _, second = (
        Record.decode(row.tobytes()) for row in read_operators_file(path, layout_named("etc-clearing-xml"))
    )
    assert outcome == Record(
        kind=Kind.OUTCOME,
        event=Event.RIDE,
        outcome=Outcome.DONE,
        device="BUS-A-0001",
        journal_sequence=14,
        refers_to=13,
        issuer=bytes.fromhex("01991000FFFFFFFF"),
        serial=bytes.fromhex("03109910000000000001"),
        key_version=1,
        algorithm=0,
        transaction_type=9,
        amount_minor=110,
        balance_before_minor=5000,
        card_sequence=3,
        sam_terminal=bytes.fromhex("991000000001"),
        sam_sequence=42,
        date=bytes.fromhex("20260915"),
        time=bytes.fromhex("080005"),
        tac=bytes.fromhex("0A0B0C0D"),
    )
    assert (intent.kind, intent.outcome, intent.tac, intent.journal_sequence, intent.refers_to) == (
        Kind.INTENT,
        Outcome.NONE,
        bytes(4),
        13,
        0,
    )
    assert intent.amount_minor == 110
    assert (second.amount_minor, second.journal_sequence, second.card_sequence) == (1999, 16, 15)


@pytest.mark.parametrize(("fee", "fen"), [("1.10", 110), ("0.07", 7), ("19.99", 1999), ("3", 300), ("0.5", 50)])
def test_yuan_in_the_file_are_exact_fen(tmp_path: Path, fee: str, fen: int) -> None:
    rows = read_operators_file(_package(tmp_path, {"Fee": fee}), layout_named("etc-clearing-xml"))
    assert rows["amount_minor"].tolist() == [fen, fen]


@pytest.mark.parametrize(
    "fee", ["1.105", "-1", "1.", ".5", "1,10", "1e2", "", "1.1.1", "99999999999999999999", "92233720368547759"]
)
def test_an_amount_that_is_none_is_named(tmp_path: Path, fee: str) -> None:
    path = _package(tmp_path, {}, {"Fee": fee})
    wanted = "a number with at most 2 decimals that makes 0 to 4294967295"
    shown = repr(fee) if fee else "empty"
    assert _faults(path, layout_named("etc-clearing-xml")) == [(2, "Fee", f"is {shown}; it must be {wanted}")]


@pytest.mark.parametrize("fee", ["<![CDATA[1.10]]>", "1<!-- -->.10", "1<?x y?>.10", " 1.10\n"])
def test_an_amount_is_all_of_its_text(tmp_path: Path, fee: str) -> None:
    rows = read_operators_file(_package(tmp_path, {"Fee": fee}), layout_named("etc-clearing-xml"))
    assert rows["amount_minor"].tolist() == [110, 110]


def test_an_amount_parted_by_another_element_is_named(tmp_path: Path) -> None:
    path = _package(tmp_path, {}, {"Fee": "1<b/>00"})
    assert _faults(path, layout_named("etc-clearing-xml")) == [(2, "Fee", "has elements in it; it must be a text")]


def test_every_bad_row_of_a_package_is_named(tmp_path: Path) -> None:
    missing: dict[str, Any] = {"TAC": None}
    path = _package(
        tmp_path,
        missing,
        {"AlgorithmIdentifier": "3", "CardId": "99"},
        {"CustomizedData": "BUS-A-0001  000000000003"},
        {"Fee": "1.00</Fee><Fee>2.00"},
    )
    assert _faults(path, layout_named("etc-clearing-xml")) == [
        (1, "Validation/TAC", "is empty; it must be 8 hexadecimal digits"),
        (2, "AlgorithmIdentifier", "is '3'; it must be one of 1, 2"),
        (2, "ICCard/NetNo + ICCard/CardId", "is '031099'; it must be 20 hexadecimal digits"),
        (3, "journal_sequence", "is 0; of transactions it is 1 to 2147483647"),
        (4, "Fee", "is there 2 times; it must be there once"),
    ]


LAUGHS = '<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "<Message><Body>",
        "<Message><Body/></Message>",
        '<!DOCTYPE m [<!ENTITY e SYSTEM "file:///etc/passwd">]><Message><Body><Transaction>&e;</Transaction></Body></Message>',
        f"<!DOCTYPE m [{LAUGHS}]><Message><Body><Transaction>&l9;</Transaction></Body></Message>",
        f'<!DOCTYPE m [{LAUGHS}]><Message a="&l9;"><Body><Transaction/></Body></Message>',
    ],
    ids=["nothing", "cut off", "no row", "entity", "laughs", "attribute"],
)
def test_what_is_no_such_xml_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "package.xml"
    path.write_text(content)
    assert [(row, column) for row, column, _ in _faults(path, layout_named("etc-clearing-xml"))] == [(0, "file")]


def _line(**changes: str) -> str:
    """A line of the UnionPay form; what it says beyond it stands in its last field."""
    fields = {
        (36, 10): "0915080005",
        (67, 12): "000000000110",
        (80, 4): "4111",
        (477, 12): "BUS-A-0001",
        (489, 10): "7",
        (499, 16): "01991000FFFFFFFF",
        (515, 20): "03109910000000000001",
        (535, 3): "1",
        (538, 3): "0",
        (541, 2): "09",
        (543, 10): "5000",
        (553, 5): "00003",
        (558, 12): "991000000001",
        (570, 10): "42",
        (580, 4): "2026",
        (584, 8): "0A0B0C0D",
        (592, 8): "B101",
    }
    line = [" "] * 607
    for (start, length), text in fields.items():
        line[start - 1 : start - 1 + length] = changes.get(f"at_{start}", text).ljust(length)[:length]
    return "".join(line)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CR LF"])
def test_fixed_width_says_the_same_as_xml(tmp_path: Path, end: str) -> None:
    path = tmp_path / "detail.txt"
    path.write_bytes((_line() + end + _line(at_489="8") + end).encode())
    by_line = read_operators_file(path, layout_named("unionpay-merchant-detail"))
    (_, outcome, _, second) = (Record.decode(row.tobytes()) for row in by_line)
    package = read_operators_file(_package(tmp_path, {}), layout_named("etc-clearing-xml"))
    by_package = Record.decode(package[1].tobytes())
    assert (outcome.line, second.journal_sequence) == ("B101", 16)
    assert outcome.encode().replace(b"B101", bytes(4)) == by_package.encode()


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    path = tmp_path / "detail.txt"
    path.write_text(_line())
    assert len(read_operators_file(path, layout_named("unionpay-merchant-detail"))) == 2


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "detail.txt"
    path.write_text("\n".join([_line(), _line()[:-1], _line(at_67="00000000 110"), "", _line(at_80="5812")]) + "\n")
    assert _faults(path, layout_named("unionpay-merchant-detail")) == [
        (2, "row", "has 606 characters; a line of this layout has 607"),
        (
            3,
            "characters 67 to 78",
            "is '00000000 110'; it must be a number that makes 0 to 4294967295",
        ),
        (4, "row", "has 0 characters; a line of this layout has 607"),
        (5, "characters 80 to 83", "is '5812'; it must be one of 4111"),
    ]


def test_lines_are_read_across_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearing.intake.files.sources.CHUNK_BYTES", 1000)
    path = tmp_path / "detail.txt"
    path.write_text("".join(_line(at_489=str(number)) + "\n" for number in range(1, 11)))
    rows = read_operators_file(path, layout_named("unionpay-merchant-detail"))
    assert rows["journal_sequence"].tolist() == list(range(1, 21))


def test_the_package_brings_its_layouts() -> None:
    assert layout_names() == ("etc-clearing-xml", "unionpay-merchant-detail")
    for name in layout_names():
        layout = layout_named(name)
        assert layout.name == name
        assert layout.source
        assert layout.licence
    with pytest.raises(LookupError, match="there are etc-clearing-xml, unionpay-merchant-detail"):
        layout_named("cjt332")


def _document(**changes: Any) -> dict[str, Any]:
    names = ["kind", "event", "key_version", "algorithm", "transaction_type", "journal_sequence", "card_sequence"]
    numbers = [*names, "amount_minor", "balance_before_minor"]
    fields = [{"record": name, "type": "decimal", "parts": [{"column": name}]} for name in numbers]
    octets = ["issuer", "serial", "sam_terminal", "date", "time"]
    fields += [{"record": name, "type": "hex", "parts": [{"column": name}]} for name in octets]
    fields.append({"record": "device", "type": "text", "parts": [{"constant": "BUS-A-0001"}]})
    return {"name": "n", "source": "s", "licence": "l", "form": "csv", "fields": fields} | changes


def _with(field: dict[str, Any]) -> dict[str, Any]:
    document = _document()
    return document | {"fields": [f for f in document["fields"] if f["record"] != field["record"]] + [field]}


AMOUNT = {"record": "amount_minor", "type": "decimal", "parts": [{"column": "a"}]}


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        (_document(fields=_document()["fields"][1:]), "nothing says what kind are; lay them out or declare a constant"),
        (_document(fields=[*_document()["fields"], AMOUNT]), "amount_minor is laid out twice"),
        (_document(each="transaction"), "kind follow from each = transaction; leave them out"),
        (_document(width=3), "width is that of a fixed-width line"),
        (_document(row="a/b"), "row is the path"),
        (_document(form="fixed-width", width=5), "amount_minor is no place in a fixed-width file"),
        (_with(AMOUNT | {"type": "text"}), "amount_minor is read as decimal or hex, not as text"),
        (_with(AMOUNT | {"record": "fare"}), "record is 'fare', which is no field of a record"),
        (_with(AMOUNT | {"parts": []}), "at least 1 item"),
        (_with(AMOUNT | {"parts": [{}]}), "a part is a column, a path, a constant, or start and length"),
        (_with(AMOUNT | {"parts": [{"column": "a", "constant": "1"}]}), "exclude each other"),
        (_with(AMOUNT | {"parts": [{"column": "a", "start": 2}]}), "start and length go together"),
        (_with(AMOUNT | {"parts": [{"path": "a[1]"}]}), "String should match pattern"),
    ],
)
def test_a_layout_that_does_not_say_everything_is_refused(document: dict[str, Any], fault: str) -> None:
    with pytest.raises(MalformedLayout) as refused:
        load_layout(document)
    assert fault in " ".join(refused.value.faults)


def test_a_declared_csv_may_name_its_columns_and_cut_them(tmp_path: Path) -> None:
    document = _with(
        {
            "record": "date",
            "type": "hex",
            "parts": [{"column": "at", "start": 7, "length": 4}, {"column": "at", "start": 1, "length": 4}],
        }
    )
    columns = sorted({part["column"] for f in document["fields"] for part in f["parts"] if "column" in part})
    values = {
        "at": "0915//2026",
        "kind": "outcome",
        "event": "ride",
        "issuer": "00" * 8,
        "serial": "00" * 10,
        "sam_terminal": "00" * 6,
        "time": "080000",
    }
    path = tmp_path / "f.csv"
    path.write_text(",".join(columns) + "\n" + ",".join(values.get(name, "1") for name in columns) + "\n")
    (row,) = read_operators_file(path, load_layout(document))
    record = Record.decode(row.tobytes())
    assert (record.date.hex(), record.device, record.event) == ("20260915", "BUS-A-0001", Event.RIDE)
