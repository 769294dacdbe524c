"""Headers of resumable uploads, and what a device signs of them."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from clearing.uploads.rules import (
    Append,
    Creation,
    HeadersWrong,
    Target,
    append,
    creation,
    limit_header,
)
from rulebook.messages.uploads import repr_digest, signed_head

DIGEST = hashlib.sha256(b"content").digest()
REPR = repr_digest(b"content")
CREATION = {"upload-complete": "?0", "upload-length": "7", "repr-digest": REPR}
APPEND = {"upload-complete": "?1", "upload-offset": "3", "content-type": "application/partial-upload"}


def test_a_creation_says_length_and_digest_of_the_whole() -> None:
    assert creation(CREATION) == Creation(7, DIGEST, complete=False)


def test_another_digest_beside_it_does_not_harm() -> None:
    assert creation(CREATION | {"repr-digest": f"sha-512=:AAAA:, {REPR}"}).digest == DIGEST


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("upload-complete", "1"),
        ("upload-complete", ""),
        ("upload-length", "-1"),
        ("upload-length", "1e3"),
        ("upload-length", "1" * 16),
        ("repr-digest", "sha-256=:AAAA:"),
        ("repr-digest", "sha-256=AAAA"),
        ("repr-digest", "sha-256=:%%%%:"),
        ("repr-digest", ""),
    ],
)
def test_a_wrong_header_of_a_creation_is_named(field: str, value: str) -> None:
    with pytest.raises(HeadersWrong) as refused:
        creation(CREATION | {field: value})
    assert list(refused.value.faults) == [field]


def test_every_missing_header_is_named() -> None:
    with pytest.raises(HeadersWrong) as refused:
        creation({})
    assert sorted(refused.value.faults) == ["repr-digest", "upload-complete", "upload-length"]


def test_an_append_says_where_it_goes_on() -> None:
    assert append(APPEND) == Append(3, complete=True)


@pytest.mark.parametrize("field", list(APPEND))
def test_an_append_needs_each_of_its_headers(field: str) -> None:
    with pytest.raises(HeadersWrong) as refused:
        append({name: value for name, value in APPEND.items() if name != field})
    assert list(refused.value.faults) == [field]


def test_the_digest_is_that_of_rfc_9530() -> None:
    """Appendix D's content and value."""
    assert repr_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


def test_limits_are_told_with_the_time_that_is_left() -> None:
    assert limit_header(Target.BATCH, timedelta(hours=1)) == "max-size=67108864, max-age=3600"
    assert limit_header(Target.BATCH, timedelta(hours=-1)).endswith("max-age=0")


def test_a_device_signs_method_path_and_the_headers_that_matter() -> None:
    head = signed_head("PATCH", "/uploads/x", APPEND)
    assert head == b"PATCH /uploads/x\nupload-complete: ?1\nupload-offset: 3\n"
