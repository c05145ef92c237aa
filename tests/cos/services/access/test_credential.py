import hashlib
import re
import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.services.access.credential import CREDENTIAL_FORM, Credential, CredentialKind, parse

ALPHABET = string.ascii_letters + string.digits + "-_"
SECRETS = st.text(ALPHABET, min_size=43, max_size=43)
CREDENTIALS = st.builds(Credential, st.sampled_from(CredentialKind), st.uuids(), SECRETS)
ONE = Credential(CredentialKind.API, UUID(int=1), "x" * 43)


@given(CREDENTIALS)
def test_what_is_written_is_read_again(credential: Credential) -> None:
    assert parse(credential.kind, credential.text) == credential
    assert re.fullmatch(CREDENTIAL_FORM, credential.text)


@given(CREDENTIALS)
def test_a_credential_of_one_kind_is_none_of_another(credential: Credential) -> None:
    others = set(CredentialKind) - {credential.kind}

    assert [parse(kind, credential.text) for kind in others] == [None]


@given(CREDENTIALS, CREDENTIALS)
def test_only_the_secret_itself_matches_its_hash(one: Credential, other: Credential) -> None:
    assert one.matches(one.hash)
    assert one.matches(other.hash) == (one.secret == other.secret)


@pytest.mark.parametrize("stored", [None, b"", bytes(32)])
def test_nothing_matches_where_nothing_is_stored(stored: bytes | None) -> None:
    assert not ONE.matches(stored)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cos_",
        ONE.text[:-1],
        ONE.text + "x",
        ONE.text + "\n",
        ONE.text.upper(),
        " " + ONE.text,
        ONE.text.replace("x", "é", 1),
        ONE.text.replace("x", "=", 1),
        ONE.text.replace("cos_", "cosboard_"),
        ONE.text.replace("_0", "_g", 1),
    ],
)
def test_anything_else_is_no_credential(text: str) -> None:
    assert parse(CredentialKind.API, text) is None


@given(st.text())
def test_no_text_is_a_fault(text: str) -> None:
    assert parse(CredentialKind.API, text) is None


def test_what_is_stored_is_the_hash_of_the_secret() -> None:
    assert ONE.hash == hashlib.sha256(b"x" * 43).digest()


def test_a_credential_does_not_show_its_secret() -> None:
    assert "xxx" not in f"{ONE!r} {ONE}"
