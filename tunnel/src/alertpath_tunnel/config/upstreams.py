# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the upstreams: the next hops, in order, and how they are spoken to."""

from __future__ import annotations

from alertpath_tunnel.config.fields import Fields
from alertpath_tunnel.config.model import Auth, ForwardingAddress, Upstream, UpstreamTls
from alertpath_tunnel.config.names import is_address, is_host_name
from alertpath_tunnel.config.tunnels import VERSIONS, file_field, read_certificate


def read_upstream(fields: Fields) -> Upstream:
    """Read one upstream."""
    addresses = tuple(_address(item) for item in fields.children("forwarding_addresses"))
    if not addresses and fields.has("forwarding_addresses"):
        fields.wrong("forwarding_addresses", "is empty", "name at least one next hop")
    tls = _tls(fields.child("tls"))
    auth = _auth(fields.child("auth")) if fields.has("auth") else None
    if auth and tls.mode in ("none", "opportunistic"):
        fields.wrong("auth", "would send a password in clear text", "set tls.mode to starttls or implicit")
    if auth and not tls.verify:
        fields.wrong("auth", "would send a password to a server nobody verified", "set tls.verify to true")
    balance = fields.choice("balance", ("failover", "round_robin"), "failover")
    upstream = Upstream(fields.string("name", longest=256), addresses, tls, auth, balance)
    fields.close()
    return upstream


def _address(fields: Fields) -> ForwardingAddress:
    address = _host(fields, "address")
    name = _host(fields, "name") if fields.has("name") else address
    found = ForwardingAddress(address, fields.integer("port", 1, 65535), name)
    fields.close()
    return found


def _host(fields: Fields, key: str) -> str:
    """Read a host name or an address. What is neither can be connected to by nobody, nor stand in a certificate."""
    host = fields.string(key, longest=255)
    bare = host.removesuffix(".")
    if host and not is_address(host) and not is_host_name(bare):
        fields.wrong(key, "is neither a host name nor an address", "use ASCII: xn--... where it is international")
    return bare


def _tls(fields: Fields) -> UpstreamTls:
    tls = UpstreamTls(
        mode=fields.choice("mode", ("starttls", "implicit", "opportunistic", "none"), "starttls"),
        verify=fields.boolean("verify", True),
        ca=file_field(fields, "ca_file", required=False),
        name=_host(fields, "name") if fields.has("name") else None,
        certificate=read_certificate(fields.child("certificate")) if fields.has("certificate") else None,
        minimum_version=fields.choice("minimum_version", VERSIONS, "1.2"),
        accept_clear_text=fields.boolean("accept_clear_text", False),
    )
    if tls.mode == "none" and tls.certificate:
        fields.wrong("certificate", "is never shown with mode none", "set tls.mode to starttls or implicit")
    if tls.mode != "none" and not tls.verify:
        fields.wrong("verify", "lets anybody in the path read the mail", "set it to true with a ca_file", warning=True)
    fields.close()
    return tls


def _auth(fields: Fields) -> Auth:
    user, password = fields.string("user", longest=255), file_field(fields, "password_file", required=True)
    assert password is not None
    fields.close()
    return Auth(user, password)
