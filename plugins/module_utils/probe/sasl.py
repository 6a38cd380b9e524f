# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication without sockets: which mechanism, and what to say (RFC 4954, RFC 4616). Pure.

Only mechanisms that send the password are here, for only inside TLS with a proven server is either sent.
"""

from __future__ import annotations

import base64
from typing import Iterable, List, NamedTuple, Optional, Tuple

from .reply import printable

PLAIN = "PLAIN"
LOGIN = "LOGIN"
MECHANISMS = (PLAIN, LOGIN)
_COMMAND_OCTETS = 510
"""RFC 5321 section 4.5.3.1.4: 512 with the line's end."""
_MASK = "(credentials)"
_LONGEST_ESCAPE = 16
"""Characters that one of a secret may become in what is shown: four octets of UTF-8, each as `\\xff`."""
_FOUND_BY_CHANCE = 4
"""Shorter than this, a secret is part of ordinary words; masking it would only show it."""


class Credentials(NamedTuple):
    """Who to be. Never part of a result; `repr` shows nothing."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials()"


class Said(NamedTuple):
    """What to send for one mechanism: the command, then one answer to each challenge (code 334)."""

    mechanism: str
    command: bytes
    answers: Tuple[bytes, ...]


def _base64(text: str) -> bytes:
    return base64.b64encode(text.encode("utf-8"))


def choose(offered: Iterable[str]) -> Optional[str]:
    """Return the mechanism to use of those *offered*, None when there is none in common."""
    names = {name.upper() for name in offered}
    return next((name for name in MECHANISMS if name in names), None)


def say(mechanism: str, credentials: Credentials) -> Said:
    """Return what *mechanism* makes of *credentials*."""
    if mechanism == LOGIN:
        return Said(LOGIN, b"AUTH LOGIN", (_base64(credentials.username), _base64(credentials.password)))
    message = _base64(f"\0{credentials.username}\0{credentials.password}")
    command = b"AUTH PLAIN " + message
    if len(command) <= _COMMAND_OCTETS:
        return Said(PLAIN, command, ())
    return Said(PLAIN, b"AUTH PLAIN", (message,))


def mask(text: str, credentials: Optional[Credentials]) -> str:
    """Return *text* without the credentials, should a server repeat them in clear or in base64."""
    if credentials is None:
        return text
    secrets: List[str] = [credentials.password, credentials.username]
    secrets += [printable(secret.encode("utf-8"), len(secret) * _LONGEST_ESCAPE) for secret in secrets]
    secrets += [part.decode("ascii") for how in MECHANISMS for part in _parts(say(how, credentials))]
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _FOUND_BY_CHANCE or secret == text:
            text = text.replace(secret, _MASK)
    return _without_a_beginning(text, secrets)


def _without_a_beginning(text: str, secrets: Iterable[str]) -> str:
    """Mask the beginning of a secret at the end of *text*, where a long line was cut."""
    for secret in secrets:
        for length in range(min(len(secret) - 1, len(text)), _FOUND_BY_CHANCE - 1, -1):
            if text.endswith(secret[:length]):
                return text[:-length] + _MASK
    return text


def _parts(said: Said) -> Tuple[bytes, ...]:
    return (*said.command.split()[2:], *said.answers)
