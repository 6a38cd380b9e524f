# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import options
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.job import Answer
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.model import Evidence, Finding, Target
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.rows import Evidences, Row
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.verdict import Judgement

EMPTY = dict.fromkeys(options.ARGUMENT_SPEC["targets"]["options"])


def params(**changed: Any) -> dict[str, Any]:
    return {**{name: spec.get("default") for name, spec in options.ARGUMENT_SPEC.items()}, **changed}


def target(**changed: Any) -> dict[str, Any]:
    return {**EMPTY, "destination": "192.0.2.1", "port": 25, "expect": "blocked", **changed}


def test_row_of_the_plan_is_a_target() -> None:
    (made,) = options.targets(params(targets=[target(host="mx", source="192.0.2.7")]))
    assert made == Target("192.0.2.1", 25, "blocked", "192.0.2.7", host="mx")


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"destination": ""}, "destination"),
        ({"destination": "no name"}, "destination"),
        ({"destination": "-x.test"}, "destination"),
        ({"destination": "10.0.0.256"}, "destination"),
        ({"destination": "10.0.0"}, "destination"),
        ({"destination": "0.0.0.0"}, "destination"),
        ({"destination": "::"}, "destination"),
        ({"destination": "ff02::1"}, "destination"),
        ({"source": "somewhere"}, "source"),
        ({"name": "a..b"}, "name"),
        ({"name": ""}, "name"),
        ({"encryption": "ssl"}, "encryption"),
        ({"destination": "::ffff:192.0.2.1"}, "destination: .* give 192.0.2.1"),
        ({"destination": "fe80::1"}, "destination: .*fe80::1%eth0"),
        ({"source": "fe80::2"}, "source: .*fe80::2%eth0"),
        ({"source": "::ffff:192.0.2.1"}, "source: .* give 192.0.2.1"),
    ],
)
def test_unusable_target_is_named(changed: dict[str, Any], word: str) -> None:
    with pytest.raises(options.OptionRefused, match=rf"targets\[1\]\.{word}"):
        options.targets(params(targets=[target(), target(**changed)]))


@pytest.mark.parametrize(
    "changed", [{"window": 0.0}, {"timeout": float("nan")}, {"timeout": float("inf")}, {"control_ports": [0]}]
)
def test_unusable_setting_is_named(changed: dict[str, Any]) -> None:
    with pytest.raises(options.OptionRefused, match=next(iter(changed))):
        options.settings(params(**changed))


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"depth": "mail"}, "recipient"),
        ({"depth": "auth"}, "username"),
        ({"depth": "tls", "targets": [target(depth="auth")]}, "username"),
        ({"depth": "tls", "targets": [target(depth="deep")]}, r"targets\[0\].depth"),
    ],
)
def test_what_a_depth_needs_is_named(changed: dict[str, Any], word: str) -> None:
    with pytest.raises(options.OptionRefused, match=word):
        options.targets(params(**{"targets": [target()], **changed}))


@pytest.mark.parametrize("name", ["sender", "recipient"])
@pytest.mark.parametrize("value", ["a b@c.test", "a@b>\r\nDATA", "a@b\n", "@b", "a", "<a@b.test>", "a@b.test SIZE=1"])
def test_address_that_could_end_the_command_is_refused(name: str, value: str) -> None:
    with pytest.raises(options.OptionRefused, match=name):
        options.settings(params(**{name: value}))


@pytest.mark.parametrize("value", ["a@b.test", "a.b+c@[192.0.2.1]", "a@[IPv6:2001:db8::1]"])
def test_address_is_taken(value: str) -> None:
    assert options.settings(params(recipient=value)).errand.recipient == value


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"timeouts": {"mail": 0.0}}, "timeouts.mail"), ({"deadline": float("nan")}, "deadline")],
)
def test_unusable_limit_is_named(changed: dict[str, Any], word: str) -> None:
    with pytest.raises(options.OptionRefused, match=word):
        options.settings(params(**changed))


def test_secrets_are_marked_and_do_not_show() -> None:
    for name in ("password", "client_key_password"):
        assert options.ARGUMENT_SPEC[name]["no_log"] is True
    for name in ("password", "key_passphrase"):
        assert options.ARGUMENT_SPEC["ssh"]["options"][name]["no_log"] is True
    assert "s3cret" not in repr(options.settings(params(username="relay", password="s3cret")))


SECRETS = ["password", "client_key_password", "ssh.password", "ssh.key_passphrase"]


def with_secret(where: str, secret: str) -> dict[str, Any]:
    plain = {"username": "alerts", "password": "s3cret word", "client_key_password": None, "ssh": []}
    if "." not in where:
        return {**plain, where: secret}
    return {**plain, "ssh": [{"host": "192.0.2.3", "user": "probe", where.partition(".")[2]: secret}]}


@pytest.mark.parametrize("where", SECRETS)
@pytest.mark.parametrize(
    "secret",
    ["pass", "fail", "mail", "open", "refused", "vault", "corp.test", "25", "1.05", "unproven", "tls", "192.0.2.1"],
)
def test_secret_that_masking_would_give_away_is_refused_without_showing_it(where: str, secret: str) -> None:
    """Ansible masks its letters everywhere, in verdicts and in names as well."""
    probes = [target(host="vault1", name="mail.corp.test")]
    with pytest.raises(options.OptionRefused) as refused:
        options.targets(params(targets=probes, **with_secret(where, secret)))
    said = str(refused.value)
    assert said.startswith(where.replace("ssh.", "ssh[0]."))
    assert f"'{secret}'" not in said


@pytest.mark.parametrize("where", SECRETS)
def test_other_secrets_are_taken(where: str) -> None:
    for secret in ("correct horse", "Vault1-mail", "123456"):
        assert options.targets(params(targets=[target(host="vault1")], **with_secret(where, secret)))


def test_no_targets_prove_nothing() -> None:
    with pytest.raises(options.OptionRefused, match="targets: is empty"):
        options.targets(params(targets=[]))


def test_link_local_address_with_its_interface_is_taken() -> None:
    (made,) = options.targets(params(targets=[target(destination="fe80::1%eth0", source="fe80::2%eth0")]))
    assert (made.destination, made.source) == ("fe80::1%eth0", "fe80::2%eth0")


@pytest.mark.parametrize("name", ["mx", "mx.corp.test", "mx.corp.test.", "_mail.corp.test", "xn--mller-kva.test"])
def test_host_names(name: str) -> None:
    assert options.is_host_name(name)


def row(verdict: str, number: int = 0) -> Row:
    finding = Finding("open", Evidence("connected"))
    wanted = Target("192.0.2.1", 25, "blocked", "192.0.2.7", host=f"mx{number}")
    return Row(wanted, "192.0.2.1", Answer(finding, 1, 0.1), "destination", Judgement(verdict, "must be blocked"))


def test_complaint_names_every_difference_up_to_a_limit() -> None:
    assert options.complaint([row("pass")]) is None
    said = options.complaint([row("pass"), row("fail", 1), row("error", 2)])
    assert said is not None
    assert said.startswith("2 of 3 rows differ: 192.0.2.7 to mx1 [192.0.2.1]:25 must be blocked; ")
    many = options.complaint([row("unproven", n) for n in range(50)])
    assert many is not None
    assert "and 30 more" in many
    assert "require_control" in many


def test_result_is_plain_data_and_counts() -> None:
    result = options.result(Evidences([row("pass"), row("fail")], {"ipv4": 1, "ipv6": 0}))
    assert result["summary"] == {"pass": 1, "fail": 1, "error": 0, "unproven": 0}
    assert result["rows"][0] == {
        "destination": "192.0.2.1",
        "port": 25,
        "expect": "blocked",
        "source": "192.0.2.7",
        "encryption": None,
        "name": None,
        "host": "mx0",
        "path": None,
        "depth": "connect",
        "class": "open",
        "cannot_tell": [
            "who answers, and whether it speaks SMTP",
            "whether a server or a device on the way completed the TCP handshake",
        ],
        "address": "192.0.2.1",
        "outcome": "open",
        "evidence": {"text": "connected"},
        "attempts": 1,
        "seconds": 0.1,
        "control": "destination",
        "verdict": "pass",
        "reason": "must be blocked",
        "remedy": None,
        "where": None,
        "via": None,
    }
