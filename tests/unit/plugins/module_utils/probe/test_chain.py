# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.tls import chain
from hypothesis import given
from hypothesis import strategies as st

certificates = st.lists(st.binary(min_size=1, max_size=300), max_size=5)


def message(parts: list[bytes], context: bytes | None, extensions: bytes) -> bytes:
    """A Certificate message as RFC 5246 has it, or with a *context* as RFC 8446 has it."""
    body = b""
    for part in parts:
        body += len(part).to_bytes(3, "big") + part
        body += len(extensions).to_bytes(2, "big") + extensions if context is not None else b""
    body = len(body).to_bytes(3, "big") + body
    if context is not None:
        body = bytes([len(context)]) + context + body
    return b"\x0b" + len(body).to_bytes(3, "big") + body


@given(certificates)
def test_chain_of_tls12(parts: list[bytes]) -> None:
    assert chain(message(parts, None, b""), False) == tuple(parts)


@given(certificates, st.binary(max_size=255), st.binary(max_size=40))
def test_chain_of_tls13(parts: list[bytes], context: bytes, extensions: bytes) -> None:
    assert chain(message(parts, context, extensions), True) == tuple(parts)


@given(st.binary(max_size=200), st.booleans())
def test_any_octets_can_be_read(data: bytes, tls13: bool) -> None:
    assert all(part in data for part in chain(data, tls13))


@pytest.mark.parametrize("tls13", [True, False])
def test_certificate_that_is_cut_off_ends_the_chain(tls13: bool) -> None:
    whole = message([b"first", b"second"], b"" if tls13 else None, b"")
    assert chain(whole[: -3 if not tls13 else -5], tls13) == (b"first",)
