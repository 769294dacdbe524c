"""The private half of a key lies in one file that its user alone can read."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clearing.devices.parameter_keys import KeyMissing, ParameterKeys, keys_in
from rulebook.messages.devices import ParameterKey


def test_a_key_is_made_once_and_signs(tmp_path: Path) -> None:
    keys = ParameterKeys(tmp_path / "keys")
    made = keys.make(1)
    assert ParameterKeys(tmp_path / "keys").make(1) == made
    assert keys.make(2).public != made.public
    Ed25519PublicKey.from_public_bytes(made.public).verify(keys.sign(made, b"message"), b"message")


def test_only_its_user_reads_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    ParameterKeys(tmp_path / "keys").make(1)
    (file,) = (tmp_path / "keys").iterdir()
    assert (file.name, stat.S_IMODE(file.stat().st_mode)) == ("1.key", 0o600)


def test_two_that_make_it_at_once_have_the_same(tmp_path: Path) -> None:
    keys = ParameterKeys(tmp_path / "keys")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: keys.make(1).public, range(32)))
    assert len(set(made)) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["1.key"]


def test_a_key_that_is_gone_cut_or_another_one_does_not_sign(tmp_path: Path) -> None:
    keys = ParameterKeys(tmp_path / "keys")
    made = keys.make(1)
    with pytest.raises(KeyMissing, match="another key than devices know"):
        keys.sign(ParameterKey(number=1, public=bytes(32)), b"")
    (tmp_path / "keys" / "1.key").write_bytes(b"short")
    with pytest.raises(KeyMissing, match="not 32 bytes"):
        keys.sign(made, b"")
    (tmp_path / "keys" / "1.key").unlink()
    with pytest.raises(KeyMissing, match="bring it back"):
        keys.sign(made, b"")


def test_a_simulated_citys_key_is_visibly_a_test_key_of_its_seed(tmp_path: Path) -> None:
    keys = keys_in(tmp_path)
    keys.make_test_key(7)
    first = keys.make(1)
    (file,) = (tmp_path / "clearing" / "parameter-keys").iterdir()
    assert file.read_bytes() == b"TEST-PARAMETER-KEY-0000000000007"
    keys.make_test_key(8)
    assert keys.make(1) != first
    keys.make_test_key(7)
    assert keys.make(1) == first


def test_a_process_killed_while_it_makes_a_key_leaves_a_whole_one_or_none(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from clearing.devices.parameter_keys import ParameterKeys\n"
        "os.link = lambda *a: os._exit(9)\n"
        "ParameterKeys(Path(sys.argv[1])).make(1)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert killed.returncode == 9
    assert not (tmp_path / "1.key").exists()
    keys = ParameterKeys(tmp_path)
    keys.sign(keys.make(1), b"")
