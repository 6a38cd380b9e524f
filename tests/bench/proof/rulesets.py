# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulesets that the benchmark of the proof loads, and what is declared beside them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import model, render

PORTS = [25, 465, 587]
_PORT_SET = "{ 25, 465, 587 }"


class Case(NamedTuple):
    """*text*: the rules; *options*: what smtp_firewall_info is told; *passes*: whether they agree."""

    name: str
    text: str
    options: dict[str, Any]
    passes: bool


def source(number: int) -> str:
    return f"10.1.{number >> 8}.{number & 255}"


def destination(number: int) -> str:
    return f"10.2.{number >> 8}.{number & 255}"


def scattered(count: int) -> list[tuple[str, str]]:
    """That many pairs, of which no two share an address."""
    return [(source(number), destination(number * 7919 % 65521)) for number in range(count)]


def crossed(count: int) -> list[tuple[str, str]]:
    """Each of some sources with each of as many destinations: that many pairs."""
    side = round(count**0.5)
    return [(source(number // side), destination(number % side)) for number in range(count)]


def declared(pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"path": "p", "source": one, "destination": other, "port": 587} for one, other in pairs]


def _options(pairs: list[tuple[str, str]], direction: str) -> dict[str, Any]:
    return {"ports": PORTS, direction: declared(pairs), "router": direction == "forward"}


def _chain(hook: str, lines: list[str]) -> str:
    return "\n".join([f"chain {hook} {{", f"type filter hook {hook} priority 0; policy accept;", *lines, "}", ""])


def _closed(hook: str) -> str:
    return _chain(hook, [f"tcp dport {_PORT_SET} reject with tcp reset"])


def _listed(hook: str, lines: list[str]) -> str:
    others = [_closed(name) for name in ("input", "output", "forward") if name != hook]
    rules = _chain(hook, [*lines, f"tcp dport {_PORT_SET} reject with tcp reset"])
    return f"table inet site {{\n{rules}{''.join(others)}}}\n"


def linear(count: int, ports: str = "587") -> Case:
    """A rule for each pair, none of which shares an address with another."""
    pairs = scattered(count)
    lines = [f"ip saddr {one} ip daddr {other} tcp dport {ports} accept" for one, other in pairs]
    options = _options(pairs, "egress")
    if ports == _PORT_SET:
        options["egress"] = [{**item, "port": port} for item in options["egress"] for port in PORTS]
        return Case(f"{count:,} rules, a pair and three ports each", _listed("output", lines), options, True)
    return Case(f"{count:,} rules, a pair each", _listed("output", lines), options, True)


def several_ports(count: int) -> Case:
    """As linear, with the three ports as a set in each rule: what the kernel lists most slowly."""
    return linear(count, _PORT_SET)


def addresses(count: int) -> Case:
    """A rule for each destination, as a host's administrator writes them by hand."""
    lines = [f"ip daddr {destination(number)} tcp dport 587 accept" for number in range(count)]
    pairs = [("0.0.0.0/0", destination(number)) for number in range(count)]
    return Case(f"{count:,} rules, a destination each", _listed("output", lines), _options(pairs, "egress"), True)


def router(count: int, scatter: bool) -> Case:
    """A rule for each pair in the forward chain: *scatter* as in linear, else each source with each destination."""
    pairs = (scattered if scatter else crossed)(count)
    lines = [f"ip saddr {one} ip daddr {other} tcp dport 587 accept" for one, other in pairs]
    kind = "scattered" if scatter else "source x destination"
    return Case(f"router, {count:,} rules, {kind}", _listed("forward", lines), _options(pairs, "forward"), True)


def own(count: int, direction: str = "egress") -> Case:
    """Our own table with as many elements."""
    options = _options(scattered(count), direction)
    text = render.render(model.from_options(options)).text
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    return Case(f"our map of {count:,} elements, {direction}", text, options, True)


def plain_set(count: int) -> Case:
    """One rule with a set of as many destinations."""
    members = ", ".join(destination(number) for number in range(count))
    line = f"ip daddr {{ {members} }} tcp dport 587 accept"
    pairs = [("0.0.0.0/0", destination(number)) for number in range(count)]
    return Case(f"a set of {count:,} destinations", _listed("output", [line]), _options(pairs, "egress"), True)


def strips(count: int) -> Case:
    """Sources and destinations by turns, accepted and dropped by turns: every rule crosses every other one, so that the
    answer has as many fields as a chess board of that width."""
    lines = []
    for number in range(count // 2):
        verdict = ("accept", "drop")[number & 1]
        lines += [
            f"ip saddr {source(2 * number)} tcp dport {_PORT_SET} {verdict}",
            f"ip daddr {destination(2 * number)} tcp dport {_PORT_SET} {('drop', 'accept')[number & 1]}",
        ]
    return Case(f"{count:,} crossing strips", _listed("forward", lines), _options([], "forward"), False)
