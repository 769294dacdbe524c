"""The journal: durable before it answers, never changed, and batches that are formed once."""

import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rulebook.batch import unseal
from rulebook.record import Event, Kind, Outcome, Record, Verdict
from terminals.journal import Journal, JournalDamaged

DEVICE = "BUS-A-0012"
KEY = Ed25519PrivateKey.from_private_bytes(b"TEST-DEVICE-KEY-OF-JOURNAL-TESTS")
INTENT = Record(
    kind=Kind.INTENT,
    event=Event.RIDE,
    device=DEVICE,
    journal_sequence=0,
    issuer=bytes.fromhex("01991000FFFFFFFF"),
    serial=bytes.fromhex("03109910000000000017"),
    key_version=1,
    algorithm=0,
    transaction_type=9,
    amount_minor=100,
    balance_before_minor=5000,
    card_sequence=3,
    sam_terminal=bytes(6),
    date=bytes.fromhex("20260915"),
    time=bytes.fromhex("120000"),
)


def ending(refers_to: int, outcome: Outcome, kind: Kind = Kind.OUTCOME) -> Record:
    return replace(INTENT, kind=kind, outcome=outcome, refers_to=refers_to)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db") as journal:
        yield journal


def test_sequences_begin_with_one_and_have_no_gap(journal: Journal) -> None:
    assert journal.last_sequence == 0
    assert [journal.append(INTENT) for _ in range(3)] == [1, 2, 3]
    assert [r.journal_sequence for r in journal.records(1, 99)] == [1, 2, 3]
    assert journal.records(2, 2) == (replace(INTENT, journal_sequence=2),)
    assert journal.last_sequence == 3


@pytest.mark.parametrize(
    ("after", "pending"),
    [
        ([], True),
        ([ending(1, Outcome.UNKNOWN)], True),
        ([replace(ending(1, Outcome.DONE), mac2_verdict=Verdict.RIGHT)], False),
        ([replace(ending(1, Outcome.DONE), mac2_verdict=Verdict.WRONG)], False),
        ([replace(ending(1, Outcome.DONE), mac2_verdict=Verdict.NOT_ASKED)], True),
        ([replace(ending(1, Outcome.DONE), event=Event.LOAD)], False),
        ([ending(1, Outcome.REFUSED)], False),
        ([ending(1, Outcome.UNKNOWN), ending(1, Outcome.VOID)], False),
        ([ending(1, Outcome.UNKNOWN), ending(1, Outcome.DONE, Kind.FINDING)], False),
        ([ending(2, Outcome.DONE)], True),
    ],
    ids=[
        "nothing",
        "unknown",
        "done",
        "mac2 wrong",
        "mac2 not asked",
        "load done",
        "refused",
        "void",
        "finding",
        "of another",
    ],
)
def test_an_intent_is_pending_until_its_end_is_known(
    journal: Journal, tmp_path: Path, after: list[Record], pending: bool
) -> None:
    journal.append(INTENT)
    for record in after:
        journal.append(record)
    for seen in (journal, Journal(tmp_path / "journal.db")):
        assert [r.journal_sequence for r in seen.pending_intents()] == [1] * pending
        found = seen.pending_of(INTENT.issuer, INTENT.serial)
        assert (found is not None) is pending
        assert seen.pending_of(INTENT.issuer, bytes(10)) is None


def test_the_newest_pending_intent_of_a_card_counts(journal: Journal) -> None:
    journal.append(INTENT)
    journal.append(replace(INTENT, card_sequence=4))
    pending = journal.pending_of(INTENT.issuer, INTENT.serial)
    assert pending is not None
    assert pending.card_sequence == 4


def test_a_batch_is_sent_again_identically_until_it_is_acknowledged(journal: Journal) -> None:
    for _ in range(3):
        journal.append(INTENT)
    first = journal.next_batch(DEVICE, KEY.sign)
    journal.append(INTENT)
    assert first is not None
    assert journal.next_batch(DEVICE, lambda _: b"another signature") == first
    assert [r.journal_sequence for r in unseal(first.body).records] == [1, 2, 3]
    journal.mark_uploaded(first.number)
    journal.mark_uploaded(first.number)
    second = journal.next_batch(DEVICE, KEY.sign)
    assert second is not None
    assert second.number == 2
    assert [r.journal_sequence for r in unseal(second.body).records] == [4]
    journal.mark_uploaded(2)
    assert journal.next_batch(DEVICE, KEY.sign) is None


def test_a_batch_waits_through_a_restart(journal: Journal, tmp_path: Path) -> None:
    journal.append(INTENT)
    first = journal.next_batch(DEVICE, KEY.sign)
    journal.close()
    assert Journal(tmp_path / "journal.db").next_batch(DEVICE, KEY.sign) == first


def test_batches_hold_no_more_than_the_limit_and_every_record_once(journal: Journal) -> None:
    for _ in range(7):
        journal.append(INTENT)
    sizes = []
    while (waiting := journal.next_batch(DEVICE, KEY.sign, limit=3)) is not None:
        sizes.append(len(unseal(waiting.body).records))
        journal.mark_uploaded(waiting.number)
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = x'00'",
        "DELETE FROM records",
        "UPDATE batches SET body = x'00'",
        "UPDATE batches SET number = 9",
    ],
)
def test_the_file_itself_refuses_changes(journal: Journal, tmp_path: Path, statement: str) -> None:
    journal.append(INTENT)
    journal.next_batch(DEVICE, KEY.sign)
    other = sqlite3.connect(tmp_path / "journal.db")
    with pytest.raises(sqlite3.IntegrityError):
        other.execute(statement)
    other.close()


def test_a_damaged_row_is_reported_on_opening(journal: Journal, tmp_path: Path) -> None:
    journal.append(INTENT)
    journal.close()
    database = sqlite3.connect(tmp_path / "journal.db")
    database.executescript("DROP TRIGGER records_stay; UPDATE records SET body = x'0102'")
    database.close()
    with pytest.raises(JournalDamaged, match="no record"):
        Journal(tmp_path / "journal.db")


KILLED = """
    import sys
    from rulebook.record import Record
    from terminals.journal import Journal

    journal = Journal(sys.argv[1])
    draft = Record.decode(bytes.fromhex(sys.argv[2]))
    while True:
        print(journal.append(draft), flush=True)
"""


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    """A process appends as fast as it can and is killed in the middle: every answered sequence is there, without a gap."""
    path = tmp_path / "journal.db"
    script = [sys.executable, "-c", textwrap.dedent(KILLED), str(path), INTENT.encode().hex()]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[4]) as process:
        assert process.stdout is not None
        answered = [process.stdout.readline() for _ in range(50)]
        process.kill()
        answered += process.stdout.readlines()
    last_answered = max(int(line) for line in answered if line.endswith("\n"))
    with Journal(path) as journal:
        assert journal.last_sequence >= last_answered >= 50
        records = journal.records(1, journal.last_sequence)
        assert [r.journal_sequence for r in records] == list(range(1, journal.last_sequence + 1))
        assert journal.append(INTENT) == len(records) + 1


class JournalModel(RuleBasedStateMachine):
    """Against a list: whatever is appended, batched, lost and restarted, each record is delivered once, in order."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.path = self.folder / f"{id(self)}.db"
        self.journal = Journal(self.path)
        self.appended = 0
        self.delivered: list[int] = []

    @rule(count=st.integers(1, 5))
    def append(self, count: int) -> None:
        for _ in range(count):
            self.appended += 1
            assert self.journal.append(INTENT) == self.appended

    @precondition(lambda self: self.appended)
    @rule(limit=st.integers(1, 4), acknowledged=st.booleans())
    def send(self, limit: int, acknowledged: bool) -> None:
        waiting = self.journal.next_batch(DEVICE, KEY.sign, limit=limit)
        assert (waiting is None) is (len(self.delivered) == self.appended)
        if waiting is not None and acknowledged:
            self.delivered += [r.journal_sequence for r in unseal(waiting.body).records]
            self.journal.mark_uploaded(waiting.number)

    @rule()
    def restart(self) -> None:
        self.journal.close()
        self.journal = Journal(self.path)

    @invariant()
    def each_once_and_in_order(self) -> None:
        assert self.delivered == list(range(1, len(self.delivered) + 1))
        assert self.journal.last_sequence == self.appended

    def teardown(self) -> None:
        self.journal.close()
        self.path.unlink()


def test_the_journal_agrees_with_its_model(tmp_path: Path) -> None:
    JournalModel.folder = tmp_path
    case = JournalModel.TestCase()
    case.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
    case.runTest()
