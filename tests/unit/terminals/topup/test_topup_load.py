"""Loads at a desk with a software card; broken at each step of card and host."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from card_os.crypto.purse import load_tac
from card_os.wire.dialogue import CardGone
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from rulebook.messages.base import Message
from rulebook.messages.facts import CardState
from rulebook.messages.loads import LoadAuthorised, LoadRefusal, LoadRequest, LoadState
from rulebook.money import Amount
from rulebook.record import Event, Kind, Outcome, Record
from terminals.journal import Journal, JournalFailed
from terminals.topup import Loaded, LoadResult, LoadUnknown, NotLoaded, Reason, TopUpDesk

NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)
AMOUNT = Amount(3000)
PIN = "123456"
CARD_STEPS = 7  # SELECT, READ 15, READ 17, GET BALANCE, VERIFY, INITIALIZE FOR LOAD, CREDIT FOR LOAD
CREDIT = CARD_STEPS - 1
HOST_STEPS = 2  # request, confirmation


def records(journal: Journal) -> list[tuple[Kind, Outcome]]:
    return [(r.kind, r.outcome) for r in journal.records(1, journal.last_sequence)]


def load(city: Any, desk: TopUpDesk, amount: Amount = AMOUNT, pin: str = PIN) -> LoadResult:
    city.card.reset()
    return desk.load(city.card, amount, pin, NOW)


def assert_no_money_is_unexplained(city: Any) -> None:
    """What the card holds is what the host has posted, and nothing is open."""
    assert city.balance == city.host.total(LoadState.POSTED)
    assert city.host.total(LoadState.RESERVED) == 0


def test_a_load_puts_the_amount_on_the_card_and_is_confirmed(city: Any) -> None:
    journal = city.journal()
    result = load(city, city.desk(journal=journal))
    tac_key = SoftwareVault.demonstration(ISSUING_LABELS).child_key(
        MasterKey(KeyLabel.TAC), [bytes.fromhex("01991000FFFFFFFF"), bytes.fromhex("9910000000000017")]
    )
    tac = load_tac(
        tac_key,
        new_balance_minor=3000,
        online_sequence=0,
        amount_minor=3000,
        transaction_type=2,
        terminal=bytes.fromhex("991000000901"),
        date=bytes.fromhex("20260915"),
        time=bytes.fromhex("100000"),
    )
    assert result == Loaded(amount=AMOUNT, balance=AMOUNT, tac=tac, confirmed=True)
    assert records(journal) == [(Kind.INTENT, Outcome.NONE), (Kind.OUTCOME, Outcome.DONE)]
    assert_no_money_is_unexplained(city)


def test_the_intent_holds_every_input_of_the_tac(city: Any) -> None:
    journal = city.journal()
    load(city, city.desk(journal=journal))
    intent, outcome = journal.records(1, 2)
    assert (intent.event, intent.issuer.hex(), intent.serial.hex(), intent.purse, intent.transaction_type) == (
        Event.LOAD,
        "01991000ffffffff",
        "03109910000000000017",
        2,
        2,
    )
    assert (intent.amount_minor, intent.balance_before_minor, intent.card_sequence) == (3000, 0, 0)
    assert (intent.sam_terminal.hex(), intent.date.hex(), intent.time.hex()) == ("991000000901", "20260915", "100000")
    assert (intent.city.hex(), intent.card_class, intent.key_version) == ("1000", 1, 1)
    assert (outcome.refers_to, outcome.tac) != (0, bytes(4))


@pytest.mark.parametrize("executed", [False, True], ids=["not executed", "executed"])
@pytest.mark.parametrize("step", range(CARD_STEPS))
def test_a_card_pulled_at_any_step_ends_clearly_and_the_next_load_settles_it(
    city: Any, step: int, executed: bool
) -> None:
    journal = city.journal()
    desk = city.desk(journal=journal)
    result = desk.load(city.pulled(step, executed), AMOUNT, PIN, NOW)
    credited = step == CREDIT and executed
    expected = LoadUnknown(amount=AMOUNT) if step == CREDIT else NotLoaded(reason=Reason.CARD_GONE)
    assert (result, city.balance) == (expected, 3000 if credited else 0)
    assert len(journal.pending_intents()) == (1 if step == CREDIT else 0)

    again = load(city, desk, Amount(500))
    assert isinstance(again, Loaded)
    assert again.balance == Amount(3500 if credited else 500)
    assert journal.pending_intents() == ()
    assert_no_money_is_unexplained(city)


@pytest.mark.parametrize(
    ("executed", "ending"),
    [(False, (Kind.OUTCOME, Outcome.VOID)), (True, (Kind.FINDING, Outcome.DONE))],
    ids=["void", "finding"],
)
def test_an_unknown_is_finished_in_the_journal_before_the_next_load(
    city: Any, executed: bool, ending: tuple[Kind, Outcome]
) -> None:
    journal = city.journal()
    desk = city.desk(journal=journal)
    desk.load(city.pulled(CREDIT, executed), AMOUNT, PIN, NOW)
    load(city, desk)
    assert records(journal)[:3] == [(Kind.INTENT, Outcome.NONE), (Kind.OUTCOME, Outcome.UNKNOWN), ending]
    assert journal.records(3, 3)[0].refers_to == 1


@pytest.mark.parametrize("executed", [False, True], ids=["not executed", "executed"])
@pytest.mark.parametrize("step", range(CARD_STEPS))
def test_another_desk_settles_what_the_first_left_open(city: Any, step: int, executed: bool) -> None:
    city.desk("TOPUP-01").load(city.pulled(step, executed), AMOUNT, PIN, NOW)
    assert isinstance(load(city, city.desk("TOPUP-02"), Amount(500)), Loaded)
    assert_no_money_is_unexplained(city)


def test_a_load_of_another_desk_is_found_with_its_own_amount_terminal_and_time(city: Any) -> None:
    city.desk("TOPUP-01").load(city.pulled(CREDIT, True), AMOUNT, PIN, NOW)
    journal = city.journal("TOPUP-02")
    load(city, city.desk("TOPUP-02", journal=journal), Amount(500))
    finding: Record = journal.records(1, 1)[0]
    assert (finding.balance_before_minor, finding.key_version, finding.outcome) == (0, 1, Outcome.DONE)
    assert (finding.kind, finding.device, finding.card_sequence) == (Kind.FINDING, "TOPUP-02", 0)
    assert (finding.amount_minor, finding.sam_terminal.hex(), finding.refers_to) == (3000, "991000000901", 0)


def test_after_a_proof_the_card_is_asked_anew(city: Any) -> None:
    """Another card's operating system may drop a begun load at GET TRANSACTION PROVE."""
    city.desk("TOPUP-01").load(city.pulled(CREDIT, True), AMOUNT, PIN, NOW)
    city.host.heard.clear()
    load(city, city.desk("TOPUP-02"), Amount(500))
    requests = [message for message in city.host.heard if isinstance(message, LoadRequest)]
    assert len({request.random for request in requests}) == len(requests) == 2


def test_an_unknown_whose_place_another_desk_took_is_void(city: Any) -> None:
    """The card can prove its load 0, yet that was not the first desk's: the TAC must not be put down to its intent."""
    journal = city.journal("TOPUP-01")
    first = city.desk("TOPUP-01", journal=journal)
    first.load(city.pulled(CREDIT, False), AMOUNT, PIN, NOW)
    load(city, city.desk("TOPUP-02"), Amount(500))
    assert isinstance(load(city, first, Amount(700)), Loaded)
    assert records(journal)[2] == (Kind.OUTCOME, Outcome.VOID)
    assert_no_money_is_unexplained(city)


@pytest.mark.parametrize("executed", [False, True], ids=["another desk's", "ours"])
def test_where_the_log_no_longer_tells_whose_load_it_was_the_host_does(city: Any, executed: bool) -> None:
    """Torn here, loaded at another desk under the same sequence, ten rides, and back: the TAC is the other desk's."""
    journal = city.journal("TOPUP-01")
    first = city.desk("TOPUP-01", journal=journal)
    first.load(city.pulled(CREDIT, executed), AMOUNT, PIN, NOW)
    if not executed:
        assert isinstance(load(city, city.desk("TOPUP-02"), Amount(500)), Loaded)
    city.rides(10)
    assert isinstance(load(city, first, Amount(700)), Loaded)
    assert records(journal)[2] == ((Kind.FINDING, Outcome.DONE) if executed else (Kind.OUTCOME, Outcome.VOID))
    assert_no_money_is_unexplained(city)


def test_where_neither_log_nor_host_tells_the_load_stays_open(city: Any) -> None:
    journal = city.journal("TOPUP-01")
    first = city.desk("TOPUP-01", journal=journal)
    first.load(city.pulled(CREDIT, True), AMOUNT, PIN, NOW)
    city.rides(10)
    silent = city.desk("TOPUP-01", journal=journal, host=city.silent(0, False))
    load(city, silent, Amount(700))
    assert records(journal)[:2] == [(Kind.INTENT, Outcome.NONE), (Kind.OUTCOME, Outcome.UNKNOWN)]
    assert [r.journal_sequence for r in journal.pending_intents()][:1] == [1]
    load(city, first, Amount(700))
    assert_no_money_is_unexplained(city)


class Failing(Journal):
    """Takes no record of ``kind``."""

    kind = Kind.INTENT

    def append(self, draft: Record) -> int:
        if draft.kind is self.kind:
            raise JournalFailed("disk full")
        return super().append(draft)


def test_nothing_is_credited_without_a_durable_intent(city: Any) -> None:
    desk = city.desk(journal=Failing(city.folder / "TOPUP-01"))
    assert load(city, desk) == NotLoaded(reason=Reason.JOURNAL_FAILED)
    assert city.balance == 0
    assert isinstance(load(city, city.desk("TOPUP-02"), Amount(500)), Loaded)
    assert_no_money_is_unexplained(city)


@pytest.mark.parametrize("acted", [False, True])
def test_a_credit_whose_outcome_was_not_stored_is_proven_by_its_intent(city: Any, acted: bool) -> None:
    journal = Failing(city.folder / "TOPUP-01")
    journal.kind = Kind.OUTCOME
    result = load(city, city.desk(journal=journal, host=city.silent(1, acted)))
    assert isinstance(result, Loaded)
    journal.close()
    assert isinstance(load(city, city.desk(), Amount(700)), Loaded)
    assert_no_money_is_unexplained(city)


def test_a_desk_killed_between_credit_and_outcome_finishes_after_its_restart(city: Any) -> None:
    class Killed(BaseException):
        pass

    class Dying(Journal):
        def append(self, draft: Record) -> int:
            if draft.kind is Kind.OUTCOME:
                raise Killed
            return super().append(draft)

    with Dying(city.folder / "TOPUP-01") as journal, pytest.raises(Killed):
        load(city, city.desk(journal=journal))
    assert city.balance == 3000
    restarted = city.journal()
    assert len(restarted.pending_intents()) == 1
    assert isinstance(load(city, city.desk(journal=restarted), Amount(500)), Loaded)
    assert restarted.pending_intents() == ()
    assert_no_money_is_unexplained(city)


@pytest.mark.parametrize("acted", [False, True], ids=["host did nothing", "host acted"])
@pytest.mark.parametrize("step", range(HOST_STEPS))
def test_a_host_silent_at_any_step_ends_clearly_and_the_next_load_settles_it(city: Any, step: int, acted: bool) -> None:
    desk = city.desk(host=city.silent(step, acted))
    result = load(city, desk)
    if step == 0:
        assert result == NotLoaded(reason=Reason.HOST_SILENT)
        assert city.balance == 0
    else:
        assert isinstance(result, Loaded)
        assert not result.confirmed
    assert isinstance(load(city, desk, Amount(500)), Loaded)
    assert_no_money_is_unexplained(city)


@pytest.mark.parametrize("acted", [False, True])
def test_an_undelivered_tac_is_offered_again(city: Any, acted: bool) -> None:
    desk = city.desk(host=city.silent(1, acted))
    load(city, desk)
    resent = desk.resend()
    assert (resent.confirmed, resent.waiting, resent.refused) == (1, 0, ())
    assert desk.resend().confirmed == 0
    assert_no_money_is_unexplained(city)


def test_an_undelivered_tac_survives_a_restart_of_the_desk(city: Any) -> None:
    load(city, city.desk(host=city.silent(1, False)))
    assert city.desk().resend().confirmed == 1
    assert_no_money_is_unexplained(city)


def test_a_host_that_stays_silent_leaves_the_tac_waiting(city: Any) -> None:
    host = city.silent(1, False)
    desk = city.desk(host=host)
    load(city, desk)
    host.steps = 0
    assert desk.resend().waiting == 1


def test_a_proof_the_host_refuses_is_told_and_not_sent_again(city: Any) -> None:
    desk = city.desk(host=city.silent(1, False))
    load(city, desk)
    city.host.loads.clear()
    refused = desk.resend()
    assert [problem.reason for problem in refused.refused] == ["load_unknown"]
    assert desk.resend().refused == ()


def test_a_wrong_pin_counts_down_and_the_third_blocks(city: Any) -> None:
    desk = city.desk()
    tries = [load(city, desk, pin="654321") for _ in range(3)]
    assert tries == [
        NotLoaded(reason=Reason.PIN_WRONG, tries_left=2),
        NotLoaded(reason=Reason.PIN_WRONG, tries_left=1),
        NotLoaded(reason=Reason.PIN_BLOCKED, tries_left=0),
    ]
    assert load(city, desk) == NotLoaded(reason=Reason.PIN_BLOCKED, tries_left=0)
    assert city.host.heard == []
    assert city.balance == 0


def test_a_right_pin_restores_the_tries(city: Any) -> None:
    desk = city.desk()
    load(city, desk, pin="654321")
    assert isinstance(load(city, desk), Loaded)
    assert load(city, desk, pin="654321") == NotLoaded(reason=Reason.PIN_WRONG, tries_left=2)


@pytest.mark.parametrize("pin", ["", "12345", "12345a", "1234567890123456"])
def test_what_is_no_pin_does_not_trouble_the_card(city: Any, pin: str) -> None:
    with pytest.raises(ValueError, match="PIN") as error:
        load(city, city.desk(), pin=pin)
    assert not pin or pin not in str(error.value)


@pytest.mark.parametrize("fen", [0, -1])
def test_an_amount_must_be_above_zero(city: Any, fen: int) -> None:
    with pytest.raises(ValueError, match="above zero"):
        load(city, city.desk(), Amount(fen))


def test_the_desk_refuses_a_load_above_the_purse_limit(city: Any) -> None:
    desk = city.desk(purse_limit=5000)
    load(city, desk, Amount(5000))
    assert load(city, desk, Amount(1)).reason is Reason.PURSE_LIMIT_PASSED  # type: ignore[union-attr]
    assert len(city.host.heard) == 2


def test_the_card_refuses_a_load_above_its_purse_limit(city: Any) -> None:
    result = load(city, city.desk(purse_limit=10**9), Amount(100_001))
    assert isinstance(result, NotLoaded)
    assert result.reason is Reason.PURSE_LIMIT_PASSED
    assert "6A84" in result.detail
    assert city.host.heard == []


def test_the_host_refuses_a_load_above_the_products_purse_limit(city: Any) -> None:
    city.host.purse_limit = 2999
    result = load(city, city.desk())
    assert result == NotLoaded(reason=Reason.HOST_REFUSED, host_reason=LoadRefusal.PURSE_LIMIT_PASSED)
    assert city.balance == 0


def test_an_agent_without_cover_loads_nothing(city: Any) -> None:
    city.host.prepaid = 2999
    journal = city.journal()
    result = load(city, city.desk(journal=journal))
    assert result == NotLoaded(reason=Reason.HOST_REFUSED, host_reason=LoadRefusal.AGENT_WITHOUT_COVER)
    assert (city.balance, records(journal)) == (0, [])


def test_a_card_that_is_not_active_loads_nothing(city: Any) -> None:
    city.host.state = CardState.LOST
    result = load(city, city.desk())
    assert result == NotLoaded(reason=Reason.HOST_REFUSED, host_reason=LoadRefusal.CARD_NOT_ACTIVE)


def test_a_wrong_mac2_is_refused_by_the_card_and_voided_by_the_next_load(city: Any) -> None:
    lies = [True]

    def host(message: Message) -> Message:
        answer = city.host(message)
        if isinstance(answer, LoadAuthorised) and lies:
            lies.pop()
            return LoadAuthorised(mac2=bytes(4))
        return answer

    journal = city.journal()
    desk = city.desk(host=host, journal=journal)
    assert load(city, desk).reason is Reason.MAC2_REFUSED  # type: ignore[union-attr]
    assert records(journal)[-1] == (Kind.OUTCOME, Outcome.REFUSED)
    assert city.balance == 0
    assert isinstance(load(city, desk, Amount(500)), Loaded)
    assert_no_money_is_unexplained(city)


def test_a_blank_card_has_nothing_to_load(city: Any) -> None:
    class Blank:
        atr = b""

        def reset(self) -> bytes:
            return b""

        def transmit(self, command: bytes) -> bytes:
            return bytes.fromhex("6A82")

    result = city.desk().load(Blank(), AMOUNT, PIN, NOW)
    assert result == NotLoaded(reason=Reason.NO_TRANSIT_APPLICATION, detail="6A82")


@pytest.mark.parametrize("sw", ["6F00", "6581", "6200"])
def test_a_status_that_says_nothing_of_the_money_leaves_the_load_unknown(city: Any, sw: str) -> None:
    pulled = city.pulled(CREDIT, True)

    class Vague:
        atr = b""

        def reset(self) -> bytes:
            return b""

        def transmit(self, command: bytes) -> bytes:
            try:
                return bytes(pulled.transmit(command))
            except CardGone:
                return bytes.fromhex(sw)

    desk = city.desk()
    assert desk.load(Vague(), AMOUNT, PIN, NOW) == LoadUnknown(amount=AMOUNT)
    assert isinstance(load(city, desk, Amount(500)), Loaded)
    assert_no_money_is_unexplained(city)
