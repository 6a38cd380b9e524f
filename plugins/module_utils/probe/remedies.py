# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader can do about a row that is not as expected, for every class. Rules as data."""

from __future__ import annotations

from typing import Dict

from . import classes, model
from .model import BLOCKED, NOT_RUN, Finding
from .tls import ABOUT_CERTIFICATE
from .verdict import UNPROVEN

_OWN_RULE = "this host's own rules stop it: apply the policy to this host again, then look for rules of another tool"
_BROKEN = "something ends the session midway: read the server's log, then look for a device that inspects mail"
_STUCK = "look at the server's load and at the devices on the way; the handshake alone proves no server"

BY_CLASS: Dict[str, str] = {
    model.REFUSED: "start the server there, or find the firewall that resets; then apply the policy again",
    model.REJECTED: (
        "the device that answered rejects the path: apply the policy on it, or have its owner open the path"
    ),
    model.FILTERED: (
        "something on the way is silent: apply the policy, then look at the firewalls between the two hosts"
    ),
    model.NO_ROUTE: "mend the route or start the destination; check the address in the policy",
    model.NAME_ERROR: "mend the name or its resolver, or declare the address",
    model.LOCAL_ERROR: "mend what the probing host says of itself; a source must be an address of that host",
    model.BANNER_TIMEOUT: "look at the server's load; if it waits on purpose, raise timeouts.greeting",
    model.NOT_SMTP: "another service has the port, or a device closes the connection: put the mail server there",
    model.GREETING_REFUSED: "the server is up but refuses this host: read its reply, and allow the host there",
    model.TLS_MISSING: "turn TLS on at the server, or correct the path's encryption in the policy",
    model.TLS_FAILED: "give the server a certificate that the given authorities signed and that is valid now",
    model.WRONG_SERVER: (
        "another server answers: check address, certificate and name, and look for an intercepting proxy"
    ),
    model.AUTH_FAILED: (
        "read the server's reply in the evidence; check the account, and that it may log in from this host"
    ),
    model.MAIL_REFUSED: "read the server's reply in the evidence; allow this sender and recipient for this host there",
    classes.OWN_RULE: _OWN_RULE,
    classes.CARRIER_LOST: "see to the SSH connection, then probe again: it says nothing of the path",
    classes.CARRIER_FORBIDS: "allow the forwarding on the SSH server (AllowTcpForwarding, PermitOpen) and for the key",
    classes.CARRIER_UNCLEAR: "read the SSH server's log; one that tells no reasons cannot prove a block",
    classes.LOCAL_POLICY: (
        "find what forbids the call on this host: a prohibiting route, a cgroup filter, a security module"
    ),
    classes.UNREACHABLE: "a router has no way to the destination: mend its routes, or the address in the policy",
    classes.NO_NEIGHBOUR: "nobody on the link has the address: start the host, or correct the address or the netmask",
    classes.HALF_OPEN: _STUCK,
    classes.TARPIT: (
        "the server, or a device in front of it, holds clients on purpose: have this host taken off its list"
    ),
    classes.SILENT: (
        "a server or a proxy accepts and says nothing: restart it; if it waits on purpose, raise timeouts.greeting"
    ),
    classes.BANNER_INCOMPLETE: "the greeting stops halfway: look at the server's load, then at the path's MTU",
    classes.BANNER_LATE: (
        "the greeting comes late: look at the server's resolver and load, or exempt this host from postscreen"
    ),
    classes.RESET_AFTER_ACCEPT: (
        "the server or a device resets once connected: look at its access list, then at the firewalls"
    ),
    classes.CLOSED_AFTER_ACCEPT: (
        "the server closes without a word: read its log; an access list, or a limit of sessions"
    ),
    classes.REJECTED_AFTER_ACCEPT: (
        "a device rejects established connections: find it by evidence.device, correct its rules"
    ),
    classes.RESET_IN_SESSION: _BROKEN,
    classes.GREETING_421: "the server is overloaded or shutting down: try again later, then raise its limits",
    classes.GREETING_554: "the server serves nobody, or not this host: allow the host there, or correct the address",
    classes.EHLO_REFUSED: "the server refuses EHLO: allow this host's address as its name, or replace the server",
    classes.TLS_NOT_OFFERED: "turn STARTTLS on at the server; if it is on, find the device that removes the offer",
    classes.TLS_REFUSED: "the server offers STARTTLS and cannot do it: read its log, check certificate and key",
    classes.TLS_STRIPPED: "a device overwrites STARTTLS: turn its SMTP inspection (fixup, ALG) off",
    classes.CLEAR_TEXT: (
        "the server speaks without TLS on this port: set the path to starttls, or make the port implicit TLS"
    ),
    classes.WRONG_CERTIFICATE: (
        "the certificate names another server: correct address or name, or find the proxy that answers"
    ),
    classes.WRONG_GREETING: "the greeting names another server: correct address or name, or set the server's own name",
    classes.HIDDEN_GREETING: "a device overwrites the greeting: turn its SMTP inspection (fixup, ALG) off",
    classes.AUTH_MISSING: "the server offers no mechanism that the probe has: turn PLAIN or LOGIN on inside TLS",
    classes.AUTH_UNSAFE: "credentials go only inside TLS to a proven server: set encryption and name for the path",
    classes.AUTH_REFUSED: "the server refuses the account: check user name, password and whether it is locked",
    classes.AUTH_DEFERRED: "the server cannot check the account now: look at its directory service, then try again",
    classes.AUTH_REQUIRED: "the server wants a login first: give username and password, or allow this host to relay",
    classes.SENDER_REFUSED: "allow the sender at the server, or send from an address that it serves",
    classes.SENDER_DEFERRED: (
        "the server puts the sender off: greylisting or a failed look-up; read its reply, try again"
    ),
    classes.RECIPIENT_REFUSED: "correct the recipient, or let the server relay to it for this host",
    classes.RECIPIENT_DEFERRED: (
        "the server puts the recipient off: greylisting, a full mailbox; read its reply, try again"
    ),
    classes.INTERCEPTED: "a device answers in the destination's place: remove its redirection of SMTP ports, see where",
}
"""What to do about a path that should be open, by class; an outcome without finer classes is its own class."""

BY_TLS_ERROR: Dict[str, str] = {
    "version": "the server and this probe have no version of TLS in common: turn TLS 1.2 or 1.3 on at the server",
    "no_tls": "what answers speaks no TLS where it is due: read the server's log, then look for a device that meddles",
    "no_common_cipher": "the two sides have no cipher in common, or the server has no certificate: read its log",
    "interrupted": "the handshake stops midway: read the server's log, then look at the path's MTU and at inspection",
    "injection": "something adds clear text behind STARTTLS: look for a device that meddles, then at the server",
    "client_certificate_required": "give client_cert a certificate that the server takes, or have it ask for none",
    "client_certificate_refused": "have the server trust the certificate in client_cert, or give another one",
}
"""What to do about `tls_failed` by `evidence.tls_error`, where it is not about the server's certificate."""
_TLS = "the two sides do not understand each other: read the server's log, then look for a device that inspects TLS"

_CONTROL = (
    "check the address, and that it and the network are up; then name a port in control_ports that takes connections "
    "there"
)
_BLOCK = "apply the policy to this host and to the routers on the way, then look for a rule that accepts before ours"
_BLOCK_INTERCEPTED = (
    "a device answers in the destination's place: remove its redirection, then block the path before it"
)


def remedy(expect: str, finding: Finding, name: str, verdict: str) -> str:
    """Return what to do about a *finding* of class *name* with a *verdict* other than a pass."""
    if verdict == UNPROVEN:
        return _CONTROL
    if expect == BLOCKED and finding.outcome not in NOT_RUN:
        return _BLOCK_INTERCEPTED if name == classes.INTERCEPTED else _BLOCK
    error = finding.evidence.tls_error
    if name == model.TLS_FAILED and error is not None and error not in ABOUT_CERTIFICATE:
        return BY_TLS_ERROR.get(error, _TLS)
    return BY_CLASS.get(name) or BY_CLASS[finding.outcome]
