# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that may enter Postfix's files: each kind has one check, and what fails it is refused by name.

Postfix expands ``$name`` in main.cf, splits lists at white space and commas, and continues a line that starts with
white space (postconf(5)). A value that carries such characters would change the meaning of the file around it.
"""

from __future__ import annotations

import ipaddress
import re
import ssl

_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
# The atoms of RFC 5322, section 3.2.3, without those that mean something to Postfix or its tables.
_LOCAL_PART = re.compile(r"[A-Za-z0-9!&'*+/=?^_~-]+(?:\.[A-Za-z0-9!&'*+/=?^_~-]+)*\Z")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_.-]{0,31}\Z")
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])\Z")
_FINGERPRINT = re.compile(r"(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}\Z")
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL | re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_FIRST_PRINTABLE = 0x20
_DELETE = 0x7F


class ValueRefused(ValueError):
    """A value cannot stand in Postfix's files. The text names the option, the reason and the remedy."""


def has_control(text: str) -> bool:
    """Return whether *text* holds a control character: line ends and NUL among them, and Unicode's line separators."""
    return any(ord(char) < _FIRST_PRINTABLE or ord(char) == _DELETE or char in "\x85\u2028\u2029" for char in text)


def address(option: str, text: str) -> str:
    """Return *text*, an IPv4 or IPv6 address, in its canonical form. Names and zone indexes are refused."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        raise ValueRefused(
            f"{option}: {text!r} is not an IP address; next hops are pinned, so give the address itself"
        ) from None
    if "%" in text:
        raise ValueRefused(f"{option}: {text!r} names a zone; give an address that is valid beyond one link")
    return str(parsed)


def port(option: str, number: int) -> int:
    """Return *number* when it is a TCP port."""
    if not 1 <= number <= 65535:
        raise ValueRefused(f"{option}: {number} is not a TCP port; give one from 1 to 65535")
    return number


def domain(option: str, text: str) -> str:
    """Return *text* in lower case when it is a host or domain name in ASCII (RFC 1123, section 2.1)."""
    if len(text) > 253 or not _DOMAIN.match(text):
        raise ValueRefused(
            f"{option}: {text!r} is not a host name; use letters, digits, '-' and '.' (IDNA names in ASCII)"
        )
    return text.lower()


def mailbox(option: str, text: str) -> str:
    """Return *text* when it is a plain address, user@domain (RFC 5321, section 4.1.2, Dot-string form)."""
    local, at, host = text.rpartition("@")
    if not at or len(local) > 64 or not _LOCAL_PART.match(local) or not _DOMAIN.match(host) or len(host) > 253:
        raise ValueRefused(f"{option}: {text!r} is not a mail address of the form user@domain")
    return text


def account(option: str, text: str) -> str:
    """Return *text* when it has the form of a local account's name (useradd(8))."""
    if not _ACCOUNT.match(text):
        raise ValueRefused(f"{option}: {text!r} is not the name of a local account")
    return text


def sender_pattern(option: str, text: str) -> str:
    """Return *text* when it can be a key of a sender canonical map: user@domain, user, or @domain (canonical(5))."""
    if text.startswith("@"):
        domain(option, text[1:])
        return text
    if "@" in text:
        return mailbox(option, text)
    if not _LOCAL_PART.match(text):
        raise ValueRefused(f"{option}: {text!r} is not user@domain, user or @domain")
    return text


def seconds(option: str, text: str) -> int:
    """Return the length of *text*, a number with one of the units s, m, h, d, w, in seconds."""
    found = _DURATION.match(text)
    if not found:
        raise ValueRefused(
            f"{option}: {text!r} is not a time; give a number and a unit, for example 5m (s, m, h, d, w)"
        )
    return int(found.group(1)) * _SECONDS[found.group(2)]


def fingerprint(option: str, text: str) -> str:
    """Return *text*, the SHA-256 digest of a certificate as hexadecimal pairs joined by colons, upper case."""
    if not _FINGERPRINT.match(text):
        raise ValueRefused(
            f"{option}: {text!r} is not a SHA-256 fingerprint; "
            "'openssl x509 -noout -fingerprint -sha256' prints one: 32 pairs of digits joined by ':'"
        )
    return text.upper()


def certificates(option: str, text: str) -> str:
    """Return the certificates in *text* (PEM) and nothing else that may stand around them.

    Refused: text without a certificate, one that cannot be decoded, and text with a private key.
    """
    if "PRIVATE KEY-----" in text:
        raise ValueRefused(f"{option}: holds a private key; give the certificate of the authority alone")
    blocks = _CERTIFICATE.findall(text)
    if not blocks:
        raise ValueRefused(f"{option}: holds no PEM certificate (-----BEGIN CERTIFICATE-----)")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata="\n".join(blocks))
        return "".join(ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(block)) for block in blocks)
    except (ssl.SSLError, ValueError) as error:
        raise ValueRefused(f"{option}: a certificate cannot be read: {error}") from None


def user(option: str, text: str) -> str:
    """Return *text* when it can be the user of a password map: Postfix splits its line at the first colon (smtp(8))."""
    if not text or has_control(text) or ":" in text or text != text.strip():
        raise ValueRefused(f"{option}: must be one line without ':' and without white space at its ends")
    return text


def password(option: str, text: str) -> str:
    """Return *text* when it survives a line of a password map. The text of the error never holds the password."""
    if not text or has_control(text) or text != text.rstrip():
        raise ValueRefused(f"{option}: must be one line without control characters and white space at its end")
    return text


def literal(option: str, text: str) -> str:
    """Return *text* so that main.cf gives it back unchanged: ``$`` doubled (postconf(5)), the rest refused.

    Refused: control characters (a line end starts another parameter) and white space at the ends.
    """
    if has_control(text):
        raise ValueRefused(f"{option}: {text!r} holds a control character")
    if text != text.strip():
        raise ValueRefused(f"{option}: {text!r} starts or ends with white space")
    return text.replace("$", "$$")
