# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a certificate says of itself, read from DER (RFC 5280 section 4.1) with the standard library alone.

It only describes: whether a certificate is trusted is decided by the TLS library.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timezone
from typing import Iterator, List, NamedTuple, Tuple

from .reply import printable

_SEQUENCE = 0x30
_SET = 0x31
_OID = 0x06
_OCTETS = 0x04
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_VERSION = 0xA0
_EXTENSIONS = 0xA3
_DNS_NAME = 0x82
_IP_ADDRESS = 0x87
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"  # 2.5.29.17
_COMMON_NAME = b"\x55\x04\x03"  # 2.5.4.3
_ORGANISATION = b"\x55\x04\x0a"  # 2.5.4.10
_MAX_NAMES = 50


class MalformedCertificate(Exception):
    """The octets are no certificate as RFC 5280 describes it."""


class Certificate(NamedTuple):
    """The names in a certificate (DNS names and addresses; the common name when there are none) and its validity."""

    names: Tuple[str, ...]
    not_before: datetime
    not_after: datetime
    issuer: str = ""
    """The issuer's common name, or else its organisation."""
    common_name_only: bool = False
    """There are no alternative names."""

    def days_left(self, now: datetime) -> int:
        """Return the whole days from *now* until it expires; negative when it has expired."""
        return int((self.not_after - now).total_seconds() // 86400)


class _Element(NamedTuple):
    tag: int
    value: bytes


def _elements(data: bytes) -> Iterator[_Element]:
    """Yield the elements of one level of DER (ITU-T X.690 section 8.1)."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise MalformedCertificate("an element ends before its length")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 4 or at + octets > len(data):
                raise MalformedCertificate("a length that DER does not allow")
            length = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + length > len(data):
            raise MalformedCertificate("an element is longer than what holds it")
        yield _Element(tag, data[at : at + length])
        at += length


def _sequence(data: bytes) -> List[_Element]:
    parts = list(_elements(data))
    if len(parts) != 1 or parts[0].tag != _SEQUENCE:
        raise MalformedCertificate("a sequence is missing")
    return list(_elements(parts[0].value))


def _time(element: _Element) -> datetime:
    """RFC 5280 section 4.1.2.5: two-digit years below 50 lie in this century."""
    text = element.value.decode("ascii", "replace")
    if element.tag == _UTC_TIME and re.fullmatch(r"[0-9]{12}Z", text):
        text = ("20" if int(text[:2]) < 50 else "19") + text
    elif element.tag != _GENERALIZED_TIME or not re.fullmatch(r"[0-9]{14}Z", text):
        raise MalformedCertificate("a date that RFC 5280 does not allow")
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise MalformedCertificate("a date that does not exist") from error


def _alternative_names(extensions: bytes) -> Iterator[str]:
    for extension in _sequence(extensions):
        parts = list(_elements(extension.value))
        if len(parts) < 2 or parts[0] != _Element(_OID, _SUBJECT_ALT_NAME) or parts[-1].tag != _OCTETS:
            continue
        for name in _sequence(parts[-1].value):
            if name.tag == _DNS_NAME:
                yield printable(name.value)
            elif name.tag == _IP_ADDRESS and len(name.value) in (4, 16):
                yield str(ipaddress.ip_address(name.value))


def _attributes(name: bytes, wanted: bytes) -> Iterator[str]:
    for relative in _elements(name):
        if relative.tag != _SET:
            continue
        for pair in _elements(relative.value):
            parts = list(_elements(pair.value))
            if len(parts) == 2 and parts[0] == _Element(_OID, wanted):
                yield printable(parts[1].value)


def read(der: bytes) -> Certificate:
    """Return what the certificate in *der* says. Raises MalformedCertificate."""
    outer = _sequence(der)
    if not outer or outer[0].tag != _SEQUENCE:
        raise MalformedCertificate("the signed part is missing")
    signed = list(_elements(outer[0].value))
    if signed and signed[0].tag == _VERSION:
        signed = signed[1:]
    if len(signed) < 6:  # serial, signature, issuer, validity, subject, key
        raise MalformedCertificate("fields are missing")
    validity = list(_elements(signed[3].value))
    if len(validity) != 2:
        raise MalformedCertificate("the validity is not two dates")
    names: List[str] = []
    for field in signed[6:]:
        if field.tag == _EXTENSIONS:
            names.extend(_alternative_names(field.value))
    alone = not names
    names = names or list(_attributes(signed[4].value, _COMMON_NAME))
    issuer = [*_attributes(signed[2].value, _COMMON_NAME), *_attributes(signed[2].value, _ORGANISATION), ""][0]
    return Certificate(tuple(names[:_MAX_NAMES]), _time(validity[0]), _time(validity[1]), issuer, alone)
