"""A pcscd of our own with virtual readers, started for a simulation or a test and stopped again.

pcscd believes itself started by systemd and gets a listening socket handed over (sd_listen_fds(3)), so it needs neither
root nor the system's /run/pcscd/pcscd.comm: it disturbs no other pcscd, and any number run side by side. As root it is
started as *nobody*: then it cannot take hold of real USB readers nor overwrite the system daemon's pid file. It only
insists that the folder /run/pcscd exists. It dies with the thread that started it, and leaves nothing behind.

libpcsclite reads PCSCLITE_CSOCK_NAME once in the life of a process. Therefore all daemons of one process use the same
socket path, one after the other, and a process that already spoke to the system's pcscd cannot have one of its own.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

from hardware.readers.pcsc import PcscError, list_readers
from simulator.softcard.vpcd import STOCK_PORT

SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"
STOCK_CONFIGURATION = Path("/etc/reader.conf.d")
DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
RUN_FOLDER = Path("/run/pcscd")

MAXIMUM_PAIRS = 8
"""pcscd stops at 16 slots."""

_START_LIMIT_S = 10.0
_STOP_LIMIT_S = 5.0
_PORT_TRIES = 5
_NOBODY = 65534  # user and group
_RIGHTS = f"Without root it needs the folder {RUN_FOLDER} or user namespaces (unshare): as root, mkdir {RUN_FOLDER}"

_one_at_a_time = threading.Lock()

# $0 pcscd, $@ its arguments; the socket comes as standard input and must be descriptor 3.
_LAUNCH = 'exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"'
_LAUNCH_IN_NAMESPACE = f"mount -t tmpfs tmpfs /run && mkdir /run/pcscd && {_LAUNCH}"


class DaemonUnavailable(RuntimeError):
    """No virtual readers on this machine; the message names what is missing."""


@dataclass(frozen=True, slots=True)
class VirtualSlot:
    """``reader`` is the name PC/SC programs use, ``port`` where a card is inserted (``VirtualReader(port)``)."""

    reader: str
    port: int


@dataclass(frozen=True, slots=True)
class ReaderPair:
    """The two slots of one driver: a terminal's reader and its SAM slot."""

    card: VirtualSlot
    sam: VirtualSlot


@dataclass(frozen=True, slots=True)
class VirtualReaders:
    """What runs. ``environment`` is what another program (opensc-tool …) needs to reach it, and this process has."""

    pairs: tuple[ReaderPair, ...]
    environment: Mapping[str, str]


@contextmanager
def private_readers(pairs: int = 1) -> Iterator[VirtualReaders]:
    """A pcscd with ``pairs`` times two virtual readers (1 to 8). Raises ``DaemonUnavailable``."""
    if not 1 <= pairs <= MAXIMUM_PAIRS:
        raise ValueError(f"{pairs} pairs of readers; pcscd has room for 1 to {MAXIMUM_PAIRS}")
    with _workplace() as folder:
        for attempt in range(_PORT_TRIES):
            configuration = folder / f"readers-{attempt}"
            wanted = _configure(configuration, pairs)
            with ExitStack() as stack:
                try:
                    stack.enter_context(_running(folder, configuration, wanted))
                except DaemonUnavailable:
                    # Between choosing a port and the driver's bind another program may have taken it.
                    if attempt == _PORT_TRIES - 1 or _ports_free(wanted):
                        raise
                    continue
                yield VirtualReaders(wanted, {SOCKET_VARIABLE: os.environ[SOCKET_VARIABLE]})
                return


@contextmanager
def stock_readers() -> Iterator[VirtualReaders]:
    """A pcscd on Debian's own configuration: two slots of "Virtual PCD" at port 35963. Raises ``DaemonUnavailable``.

    Only one can run at a time, ours or the system's, because the port is fixed.
    """
    slots = [VirtualSlot(f"Virtual PCD 00 {slot:02X}", STOCK_PORT + slot) for slot in range(2)]
    wanted = (ReaderPair(*slots),)
    if not _ports_free(wanted):
        raise DaemonUnavailable(f"port {STOCK_PORT} is taken: another pcscd with vpcd runs on this machine; stop it")
    with _workplace() as folder, _running(folder, STOCK_CONFIGURATION, wanted):
        yield VirtualReaders(wanted, {SOCKET_VARIABLE: os.environ[SOCKET_VARIABLE]})


def _socket_path() -> Path:
    return Path(tempfile.gettempdir()) / f"citycard-pcscd-{os.getuid()}-{os.getpid()}.comm"


@contextmanager
def _workplace() -> Iterator[Path]:
    for program in ("pcscd", "setpriv"):
        _program(program)
    if not DRIVER.exists():
        raise DaemonUnavailable(f"{DRIVER} is missing: install the Debian package vsmartcard-vpcd")
    with tempfile.TemporaryDirectory(prefix="citycard-pcscd-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # pcscd reads its configuration as nobody
        yield folder


def _program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise DaemonUnavailable(f"{name} is not installed: install the Debian packages pcscd and vsmartcard-vpcd")
    return path


def _configure(folder: Path, pairs: int) -> tuple[ReaderPair, ...]:
    """Write one entry and one copy of the driver for each pair: two entries on one path break every reader."""
    folder.mkdir()
    wanted = []
    ports = _free_port_pairs()
    for number in range(pairs):
        port = next(ports)
        driver = folder.with_name(f"{folder.name}-driver-{number}.so")  # pcscd reads every file of its folder
        shutil.copyfile(DRIVER, driver)
        driver.chmod(0o755)
        name = f"Citycard {number}"
        (folder / f"pair-{number}").write_text(
            f'FRIENDLYNAME "{name}"\nDEVICENAME /dev/null:0x{port:04X}\nLIBPATH {driver}\nCHANNELID 0x{port:04X}\n'
        )
        wanted.append(ReaderPair(VirtualSlot(f"{name} 00 00", port), VirtualSlot(f"{name} 00 01", port + 1)))
    return tuple(wanted)


def _free_port_pairs() -> Iterator[int]:
    """Even ports p with p and p + 1 free now, below the range the system hands out by itself."""
    even = list(range(20000, 32000, 2))
    SystemRandom().shuffle(even)  # daemons starting side by side should not race for the same ones
    return (port for port in even if _port_free(port) and _port_free(port + 1))


def _ports_free(pairs: Iterable[ReaderPair]) -> bool:
    return all(_port_free(slot.port) for pair in pairs for slot in (pair.card, pair.sam))


def _port_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))  # where the driver will listen
        except OSError:
            return False
    return True


@contextmanager
def _running(folder: Path, configuration: Path, wanted: tuple[ReaderPair, ...]) -> Iterator[None]:
    """pcscd on ``configuration`` until the end of the block, found by libpcsclite in this process."""
    if not _one_at_a_time.acquire(blocking=False):
        raise DaemonUnavailable("this process already runs a pcscd; libpcsclite reaches only one socket path")
    with ExitStack() as stack:
        stack.callback(_one_at_a_time.release)
        path = _socket_path()
        stack.callback(path.unlink, missing_ok=True)
        log = folder / f"{configuration.name}.log"
        process = _launch(path, configuration, log)
        stack.callback(_stop, process)
        stack.enter_context(_environment(SOCKET_VARIABLE, str(path)))
        _wait_until_ready(process, log, wanted)
        yield


def _launch(path: Path, configuration: Path, log: Path) -> subprocess.Popen[bytes]:
    prefix, script, identity = _without_rights()
    command = [*prefix, _program("setpriv"), "--pdeathsig", "TERM", "/bin/sh", "-c", script, _program("pcscd")]
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening, log.open("wb") as output:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(16)
        return subprocess.Popen(  # noqa: S603 (our own command)
            [*command, "--foreground", "--error", "--config", str(configuration)],
            stdin=listening.fileno(),
            stdout=output,
            stderr=output,
            user=identity,
            group=identity,
            extra_groups=None if identity is None else [],
        )


def _without_rights() -> tuple[list[str], str, int | None]:
    """How to start it with as few rights as this user allows: command before it, shell script, identity."""
    if os.getuid() == 0:
        RUN_FOLDER.mkdir(exist_ok=True)
        return [], _LAUNCH, _NOBODY
    if RUN_FOLDER.exists():
        return [], _LAUNCH, None
    return [_program("unshare"), "--user", "--map-root-user", "--mount"], _LAUNCH_IN_NAMESPACE, None


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path, wanted: tuple[ReaderPair, ...]) -> None:
    names = {slot.reader for pair in wanted for slot in (pair.card, pair.sam)}
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if names <= set(list_readers()):
                return
        except PcscError as error:
            if not error.code:
                raise DaemonUnavailable(str(error)) from error
        time.sleep(0.02)
    said = log.read_text(errors="replace").strip().splitlines()[-3:]
    if process.poll() is None:
        said.append("readers missing, or this process spoke to another pcscd before")
    raise DaemonUnavailable(f"pcscd did not start with {len(names)} virtual readers: {'; '.join(said)}. {_RIGHTS}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
