# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulesets as real tools load them: firewalld's, ufw's, a container engine's, our own, and some of them together.

Those under real/ were read from a namespace in which the tool itself had loaded them.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import model, render
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.analyse import analyse

from .box import Box
from .cases import try_points
from .compare import Tally, check
from .ruleset import Ruleset
from .universe import PORTS, address, point

REAL = Path(__file__).parent / "real"
POINTS = 600


def own() -> str:
    """Our own table, for a host that routes."""
    far = {4: "10.9.0.0/29", 6: "fd09::/125"}
    near = {4: "10.8.0.0/29", 6: "fd08::/125"}
    rules = {"egress": [], "ingress": [], "forward": []}
    for version, other in ((4, "10.9.0.11"), (6, "fd09::b")):
        pairs = {"egress": (near, far), "ingress": (far, near), "forward": (far, far)}
        for direction, (sources, destinations) in pairs.items():
            ends = [(sources[version], destinations[version], port) for port in PORTS[1:4]]
            if direction != "ingress":
                ends += [(sources[version], other, 2525), (address(version, "remote", 9), other, 25)]
            rules[direction] += [
                {"path": f"p{port}", "source": source, "destination": destination, "port": port}
                for source, destination, port in ends
            ]
    return render.render(model.from_options({"ports": list(PORTS), "router": True, **rules})).text


def restore(name: str, flavour: str = "nft") -> list[tuple[str, str]]:
    found = []
    for version, tool in ((4, "iptables"), (6, "ip6tables")):
        path = REAL / f"{name}.v{version}"
        if path.exists():
            found.append((f"{tool}-{flavour}", path.read_text()))
    return found


CASES = {
    "firewalld": (lambda: (REAL / "firewalld.nft").read_text(), []),
    "ufw": (lambda: "", restore("ufw")),
    "ufw on iptables-legacy": (lambda: "", restore("ufw", "legacy")),
    "docker": (lambda: "", restore("docker")),
    "our own": (own, []),
    "firewalld, docker and our own": (lambda: (REAL / "firewalld.nft").read_text() + own(), restore("docker")),
    "ufw, legacy docker and our own": (own, [*restore("ufw"), *restore("docker", "legacy")]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_agrees(name: str, host: Box) -> None:
    nft, restores = CASES[name]
    host.load(nft(), restores)
    rng = random.Random(name)
    points = [point(rng) for _ in range(POINTS)]
    ruleset = Ruleset(unknown={"real"})
    case = try_points(host, name, ruleset, points)
    tally = Tally()
    tally.add(case)
    wrong = check(case, analyse)
    assert not wrong, "\n".join(
        f"{one.what}: {one.point}, kernel {case.truths[one.at]}, {one.told}" for one in wrong[:5]
    )
    assert 0 < sum(truth.passed for truth in case.truths) < POINTS, f"this tried nothing: {tally}"
