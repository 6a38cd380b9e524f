# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a satellite into Postfix's files. Pure: the same satellite and installation give the same bytes."""

from __future__ import annotations

from typing import Callable, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from ..managed_file import MARK
from .model import LEVELS, Installation, Satellite
from .values import literal

MAPS = "alertpath"
SLOTS = ("a", "b")
SLOT_PARAMETER = "alertpath_maps"
# Mail to this domain stays on the host (RFC 6761, section 6.3: .localhost never leaves it).
NOTICE_DOMAIN = "notices.localhost"
SECRET_FILES = frozenset({"sasl_passwd"})
# Hardening that came with later releases and patch levels. Without any other parameter the file would not do its work.
OPTIONAL = frozenset(
    {
        "smtpd_forbid_bare_newline",
        "smtpd_forbid_unauth_pipelining",
        "smtpd_peername_lookup",
        "smtp_tls_block_early_mail_reply",
    }
)
_PUBLIC, _SECRET = 0o644, 0o600


class File(NamedTuple):
    """A file's bytes and permission bits."""

    content: bytes
    mode: int


class Section(NamedTuple):
    """A heading and the parameters under it. Values are in main.cf's own syntax."""

    heading: str
    parameters: Sequence[Tuple[str, str]]


def mode_of(name: str) -> int:
    """Return the permission bits of the map *name*."""
    return _SECRET if name in SECRET_FILES else _PUBLIC


def _table(rows: Sequence[Tuple[str, str]]) -> bytes:
    return "".join(f"{key} {value}\n" for key, value in rows).encode("utf-8")


def _policy(satellite: Satellite) -> bytes:
    rows = []
    for hop in satellite.next_hops:
        level = satellite.level(hop)
        words = [level]
        if level == "verify":
            words.append(f"match={hop.name}")
        if level == "fingerprint":
            words += [f"match={digest}" for digest in hop.fingerprints]
        if hop.name is not None and level not in ("none", "may"):
            words.append(f"servername={hop.name}")
        rows.append((hop.key, " ".join(words)))
    return _table(rows)


def _aliases(satellite: Satellite) -> bytes:
    hosts = ("", f"@{satellite.hostname}", f"@{satellite.origin}", "@localhost")
    keys = dict.fromkeys(user + host for user in ("root", "postmaster") for host in hosts)
    return _table([(key, str(satellite.root_recipient)) for key in keys])


def maps(satellite: Satellite) -> Dict[str, File]:
    """Return the files beside main.cf, by name: tables in texthash form (DATABASE_README) and the CA's certificate."""
    found = {"tls_policy": _policy(satellite)}
    if "verify" in satellite.levels:
        found["ca.pem"] = str(satellite.ca).encode("ascii")
    if satellite.credentials:
        secret = f"{satellite.credentials.user}:{satellite.credentials.password}"
        found["sasl_passwd"] = _table([(hop.key, secret) for hop in satellite.next_hops])
    if satellite.root_recipient is not None:
        found["virtual_alias"] = _aliases(satellite)
    if satellite.sender_rewriting:
        found["sender_canonical"] = _table(satellite.sender_rewriting)
    if satellite.notice_recipient is not None and "@" not in satellite.notice_recipient:
        found["transport"] = _table([(NOTICE_DOMAIN, "local:")])
    return {name: File(content, mode_of(name)) for name, content in found.items()}


def _identity(satellite: Satellite) -> Section:
    return Section(
        "Who this host is, and that it takes no mail from the network and delivers none itself",
        [
            ("myhostname", literal("hostname", satellite.hostname)),
            ("myorigin", literal("origin", str(satellite.origin))),
            ("inet_interfaces", "loopback-only"),
            ("inet_protocols", "all"),
            ("master_service_disable", "" if satellite.loopback_smtp else "inet"),
            ("mydestination", ""),
            ("relay_domains", ""),
            ("virtual_alias_domains", ""),
            ("virtual_mailbox_domains", ""),
            ("local_transport", "error:5.1.1 this host delivers no mail to mailboxes"),
            ("local_recipient_maps", ""),
            ("alias_maps", ""),
            ("alias_database", ""),
            ("append_dot_mydomain", "no"),
            ("biff", "no"),
            ("recipient_delimiter", ""),
            ("mailbox_size_limit", "0"),
        ],
    )


def _submission() -> Section:
    return Section(
        "Programs of this host may hand in mail over loopback",
        [
            ("mynetworks", "127.0.0.0/8 [::1]/128"),
            ("smtpd_relay_restrictions", "permit_mynetworks, reject"),
            ("smtpd_recipient_restrictions", ""),
            ("smtpd_peername_lookup", "no"),
            ("smtpd_banner", "$myhostname ESMTP"),
            ("disable_vrfy_command", "yes"),
            ("smtpd_forbid_bare_newline", "yes"),
            ("smtpd_forbid_unauth_pipelining", "yes"),
        ],
    )


def _next_hops(satellite: Satellite) -> Section:
    return Section(
        "Where all mail goes: literal addresses in order of preference, no name is resolved",
        [
            ("relayhost", ", ".join(hop.key for hop in satellite.next_hops)),
            ("default_transport", "smtp"),
            ("relay_transport", "smtp"),
            ("transport_maps", _reference("transport", satellite)),
            ("smtp_fallback_relay", ""),
            ("smtp_dns_support_level", "disabled"),
            ("smtp_host_lookup", "native"),
        ],
    )


def _reference(name: str, satellite: Satellite) -> str:
    return f"texthash:${SLOT_PARAMETER}/{name}" if name in maps(satellite) else ""


def _tls(satellite: Satellite, installation: Installation) -> Section:
    # From 3.6 on a floor can be named; before, what lies below it must be excluded (postconf(5)).
    floor = ">=TLSv1.2" if installation.version >= (3, 6) else "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"
    implicit = any(hop.encryption == "implicit" for hop in satellite.next_hops)
    return Section(
        "TLS: the given authority alone is trusted, the system's roots are not",
        [
            ("smtp_tls_security_level", max(satellite.levels, key=LEVELS.index)),
            ("smtp_tls_policy_maps", _reference("tls_policy", satellite)),
            ("smtp_tls_wrappermode", "yes" if implicit else "no"),
            ("smtp_tls_CAfile", f"${SLOT_PARAMETER}/ca.pem" if "verify" in satellite.levels else ""),
            ("smtp_tls_CApath", ""),
            ("tls_append_default_CA", "no"),
            ("smtp_tls_protocols", floor),
            ("smtp_tls_mandatory_protocols", floor),
            ("smtp_tls_mandatory_ciphers", "high"),
            ("smtp_tls_fingerprint_digest", "sha256"),
            ("smtp_tls_block_early_mail_reply", "yes"),
            ("smtp_tls_loglevel", "1"),
        ],
    )


def _authentication(satellite: Satellite) -> Section:
    return Section(
        "AUTH: only inside TLS",
        [
            ("smtp_sasl_auth_enable", "yes" if satellite.credentials else "no"),
            ("smtp_sasl_password_maps", _reference("sasl_passwd", satellite)),
            ("smtp_sasl_security_options", "noanonymous, noplaintext"),
            ("smtp_sasl_tls_security_options", "noanonymous"),
        ],
    )


def _queue(satellite: Satellite) -> Section:
    retry = satellite.retry
    return Section(
        "How long mail waits, and when its sender hears of it",
        [
            ("queue_run_delay", retry.queue_run),
            ("minimal_backoff_time", retry.minimal_backoff),
            ("maximal_backoff_time", retry.maximal_backoff),
            ("maximal_queue_lifetime", retry.lifetime),
            ("bounce_queue_lifetime", retry.bounce_lifetime),
            ("delay_warning_time", retry.delay_warning),
            ("smtp_connect_timeout", retry.connect_timeout),
            ("enable_long_queue_ids", "yes"),
        ],
    )


def _notices(satellite: Satellite) -> Section:
    recipient = satellite.notice_recipient or "postmaster"
    if satellite.notice_recipient is not None and "@" not in recipient:
        recipient = f"{recipient}@{NOTICE_DOMAIN}"
    classes = "bounce, 2bounce, delay, resource, software" if satellite.notice_recipient else "resource, software"
    names = ("bounce", "2bounce", "delay", "error")
    return Section(
        "Notices to the operator",
        [
            ("notify_classes", classes),
            *((f"{name}_notice_recipient", literal("notice_recipient", recipient)) for name in names),
        ],
    )


def _rewriting(satellite: Satellite) -> Section:
    return Section(
        "Rewriting",
        [
            ("virtual_alias_maps", _reference("virtual_alias", satellite)),
            ("sender_canonical_maps", _reference("sender_canonical", satellite)),
            ("sender_canonical_classes", "envelope_sender, header_sender"),
        ],
    )


def sections(satellite: Satellite, installation: Installation, slot: str) -> List[Section]:
    """Return all of main.cf as sections. *slot* is the folder under alertpath/ that holds this generation's maps."""
    head = [("compatibility_level", "3.6" if installation.version >= (3, 6) else "2")]
    head += [(name, installation.kept[name]) for name in sorted(installation.kept)]
    head.append((SLOT_PARAMETER, f"$config_directory/{MAPS}/{slot}"))
    parts: Sequence[Callable[[Satellite], Section]] = (_authentication, _queue, _notices, _rewriting)
    found = [Section("The installation", head), _identity(satellite)]
    if satellite.loopback_smtp:
        found.append(_submission())
    return [*found, _next_hops(satellite), _tls(satellite, installation), *(part(satellite) for part in parts)]


def main_cf(satellite: Satellite, installation: Installation, slot: str) -> bytes:
    """Return main.cf. Hardening that this version of Postfix does not know is left out."""
    lines = [f"# {MARK}"]
    for section in sections(satellite, installation, slot):
        lines += ["", f"# {section.heading}"]
        for name, value in section.parameters:
            if name not in OPTIONAL or name in installation.known:
                lines.append(f"{name} = {value}".rstrip())
    return ("\n".join(lines) + "\n").encode("utf-8")


def expected_lookups(satellite: Satellite) -> Mapping[str, List[Tuple[str, str]]]:
    """Return for each public table the keys with the values that postmap(1) must find in it."""
    found: Dict[str, List[Tuple[str, str]]] = {}
    for name, file in maps(satellite).items():
        if name != "ca.pem" and name not in SECRET_FILES:
            rows = (line.partition(" ") for line in file.content.decode("utf-8").splitlines())
            found[name] = [(key, value) for key, _space, value in rows]
    return found
