# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the tunnels: where we listen, with which TLS, and for whom."""

from __future__ import annotations

import re
import ssl
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from alertpath_tunnel.config.fields import Fields
from alertpath_tunnel.config.model import Certificate, File, Network, Tunnel, TunnelTls
from alertpath_tunnel.config.names import is_address, unmapped
from alertpath_tunnel.config.text import NotJson, read_json

_CERT_REQS = ("CERT_NONE", "CERT_OPTIONAL", "CERT_REQUIRED")
VERSIONS = ("1.2", "1.3")
# DSG's names -> the highest version they allow; both old names mean "negotiate" to OpenSSL.
_SSL_VERSIONS: dict[str, str | None] = {
    "PROTOCOL_SSLv23": None,
    "PROTOCOL_TLS": None,
    "PROTOCOL_TLS_SERVER": None,
    "PROTOCOL_TLSv1_2": "1.2",
}
_STRENGTH = 112  # bits; NIST SP 800-57 part 1


def file_field(fields: Fields, key: str, required: bool) -> File | None:
    """Read the path of a file: absolute, or `credentials:NAME`."""
    if not required and not fields.has(key):
        return None
    name = fields.string(key)
    credential = name.removeprefix("credentials:")
    if name and (
        ("/" in credential or credential in ("", ".", "..")) if credential != name else not name.startswith("/")
    ):
        fields.wrong(key, "is no path of a file", "use an absolute path, or credentials:NAME")
    return File(name, fields.at(key))


def read_tunnel(fields: Fields, interfaces: dict[str, tuple[str, ...]]) -> Tunnel:
    """Read one tunnel; `interfaces` maps names to addresses."""
    settings = _object_or_text(fields, "advanced_settings")
    options = _object_or_text(settings, "ssl_options")
    idle = settings.integer("idle_connection_timeout", 1, 86400, 30)
    for key in ("default_window_size", "default_max_packet_size"):
        if settings.has(key):
            settings.wrong(key, "is a setting of SSH and has no use here", "remove it", warning=True)
    settings.close()
    tls = _tls(fields.child("tls"), options)
    clients = read_networks(fields, "clients")
    if not clients:
        fields.wrong("clients", "allows nobody", "list the addresses that may connect", warning=True)
    tunnel = Tunnel(
        name=fields.string("name", longest=256),
        description=fields.string("description", "", empty=True),
        enabled=fields.boolean("enabled", True),
        start_without_service=fields.boolean("start_without_service", False),
        label=fields.string("label", longest=256) if fields.has("label") else None,
        addresses=_addresses(fields, interfaces),
        port=fields.integer("port", 1, 65535),
        tls=tls,
        clients=clients,
        auth=fields.choice("auth", ("none", "pass"), "none"),
        proxy_protocol=read_networks(fields, "proxy_protocol"),
        idle=idle,
    )
    if tunnel.auth == "pass" and tls.mode == "none":
        fields.wrong("auth", "would take passwords in clear text", "set tls.mode to starttls or implicit")
    fields.close()
    return tunnel


def read_interfaces(fields: Fields) -> dict[str, tuple[str, ...]]:
    """Read the names an `interface` may use."""
    return {name: _each_address(fields, name, fields.strings(name)) for name in fields.names()}


def _each_address(fields: Fields, key: str, values: tuple[str, ...]) -> tuple[str, ...]:
    for index, value in enumerate(values):
        if not is_address(value):
            fields.problem(f"{fields.at(key)}[{index}]", value, "is no address", "use an IPv4 or IPv6 address")
    return tuple(str(unmapped(ip_address(value))) for value in values if is_address(value))


def _addresses(fields: Fields, interfaces: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    value = fields.raw("interface")
    if isinstance(value, list):
        names = fields.strings("interface")
        if not names:
            fields.wrong("interface", "names nothing", "name an address or an interface")
    else:
        names = (fields.string("interface"),)
    found: list[str] = []
    for name in names:
        if is_address(name):
            found.append(str(unmapped(ip_address(name))))
        elif name in interfaces:
            found.extend(interfaces[name])
            if not interfaces[name]:
                fields.wrong("interface", f"{name} has no address to listen at", "list one in interfaces")
        elif name:
            known = ", ".join(sorted(interfaces)) or "none"
            fields.wrong("interface", f"{name} is neither an address nor a known interface", f"interfaces has: {known}")
    return tuple(dict.fromkeys(found))


def read_networks(fields: Fields, key: str) -> tuple[Network, ...]:
    """Read a list of addresses and networks."""
    networks: list[Network] = []
    for index, value in enumerate(fields.strings(key, ())):
        try:
            networks.append(_network(value))
        except ValueError as error:
            fields.problem(f"{fields.at(key)}[{index}]", value, f"is no network: {error}", "use 192.0.2.0/24 or so")
    return tuple(networks)


def _network(text: str) -> Network:
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        address = unmapped(network.network_address)
        return network if address.version == 6 else IPv4Network((int(address), network.prefixlen - 96))
    return network


def _object_or_text(fields: Fields, key: str) -> Fields:
    """Return the object at `key`, which DSG stores as JSON within a string and people write as it is."""
    value = fields.raw(key)
    if isinstance(value, str):
        try:
            value = read_json(value)
        except NotJson as error:
            fields.wrong(key, f"is no JSON: {error}", "write an object")
            value = None
    return Fields({} if value is None else value, fields.at(key), fields.problems)


def _tls(fields: Fields, options: Fields) -> TunnelTls:
    mode = fields.choice("mode", ("starttls", "implicit", "none"), "starttls")
    requirement = options.choice("cert_reqs", _CERT_REQS, "CERT_NONE")
    client_ca = file_field(options, "ca_certs", required=False)
    if requirement != "CERT_NONE" and client_ca is None:
        options.wrong("ca_certs", f"is needed with {requirement}: no client could connect", "name a PEM file of CAs")
    client_crl = file_field(options, "crl_file", required=False)
    if client_crl and requirement == "CERT_NONE":
        options.wrong("crl_file", "is never looked at with CERT_NONE", "set cert_reqs, or remove it")
    version = options.string("ssl_version", "PROTOCOL_SSLv23")
    if version not in _SSL_VERSIONS:
        known = ", ".join(_SSL_VERSIONS)
        options.wrong("ssl_version", "is unknown or below TLS 1.2", f"use one of {known}, or leave it out")
    options.close()
    certificate = read_certificate(fields.child("certificate")) if fields.has("certificate") else None
    if mode != "none" and certificate is None:
        fields.wrong("certificate", f"is needed with mode {mode}", "name chain and key, or set mode to none")
    if mode == "none" and requirement != "CERT_NONE":
        fields.wrong("mode", "offers no TLS, but client certificates are asked for", "set cert_reqs to CERT_NONE")
    minimum = fields.choice("minimum_version", VERSIONS, "1.2")
    maximum = _SSL_VERSIONS.get(version)
    if maximum and minimum > maximum:
        fields.wrong("minimum_version", f"is above ssl_version {version}", "remove one of them")
    tls = TunnelTls(
        mode=mode,
        required=fields.boolean("required", mode != "none"),
        certificate=certificate,
        ciphers=_ciphers(fields),
        minimum_version=minimum,
        maximum_version=maximum,
        client_certificates=requirement,
        client_ca=client_ca,
        client_crl=client_crl,
        clear_text_clients=read_networks(fields, "clear_text_clients"),
    )
    if tls.clear_text_clients and not (mode == "starttls" and tls.required):
        fields.wrong("clear_text_clients", "are exempt from nothing", "use it with mode starttls and required")
    if requirement == "CERT_REQUIRED" and mode == "starttls" and not tls.required:
        fields.wrong("required", "lets clients in without their certificate", "set it to true", warning=True)
    if mode == "none" and tls.required:
        fields.wrong("required", "cannot be met with mode none", "set mode to starttls or implicit")
    fields.close()
    return tls


def read_certificate(fields: Fields) -> Certificate:
    """Read a certificate chain and its key."""
    chain, key = file_field(fields, "chain", required=True), file_field(fields, "key", required=True)
    assert chain is not None
    assert key is not None
    if key.name and not key.name.startswith("credentials:") and not key.name.endswith(".key"):
        fields.wrong("key", "does not end in .key", "rename the private key to NAME.key, mode 0600")
    certificate = Certificate(chain, key, file_field(fields, "password_file", required=False))
    fields.close()
    return certificate


def _ciphers(fields: Fields) -> str | None:
    """Check each name by itself: OpenSSL silently skips those it does not know."""
    if not fields.has("ciphers"):
        return None
    value = fields.string("ciphers")
    # OpenSSL separates by blanks, too.
    names = [name for name in re.split(r"[:;, ]", value) if name]
    for name in names:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(name.lstrip("!-+"))
        except (ssl.SSLError, ValueError):
            fields.wrong("ciphers", f"{name} is no cipher this OpenSSL knows", "correct or remove it")
    joined = ":".join(names)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers(joined)
    except (ssl.SSLError, ValueError):
        fields.wrong("ciphers", "leaves no cipher to use", "name at least one")
        return None
    if any(cipher["strength_bits"] < _STRENGTH or "NULL" in cipher["name"] for cipher in context.get_ciphers()):
        fields.wrong("ciphers", "allows a cipher under 112 bits", "remove it")
    if any(cipher["auth"] == "auth-null" for cipher in context.get_ciphers()):
        fields.wrong("ciphers", "allows a cipher without a certificate", "add !aNULL, or name others")
    return joined
