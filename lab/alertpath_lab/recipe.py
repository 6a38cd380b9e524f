# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe of the hosts' common base tree: what mmdebstrap is asked for, and the name its content gives it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from .topology import Base

# What the lab itself needs in a host; everything else is the topology's choice.
ESSENTIAL = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-ping",
    "kmod",
    "openssh-server",
    "procps",
    "python3",
    "systemd",
    "systemd-sysv",
)
# Documentation is not needed to test with, and costs a third of the tree.
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
# Answers for packages that ask: the machine that builds the tree must not leave its own name in it.
_ANSWERS = (
    "postfix postfix/main_mailer_type select Internet Site",
    "postfix postfix/mailname string localhost.localdomain",
)
# A host runs what the play under test enables, and nothing else.
_PRESETS = ("enable ssh.service", "enable dbus.socket", "enable dbus.service", "disable *")
_MASKED = (
    "console-getty.service",
    "container-getty@.service",
    "getty@.service",
    "systemd-networkd-wait-online.service",
)
_SSHD = (
    "PasswordAuthentication no",
    "HostKey /etc/ssh/ssh_host_ed25519_key",
    "UseDNS no",
    "MaxStartups 100",
    "MaxSessions 100",
)


def packages(base: Base) -> list[str]:
    """All packages of the tree, sorted."""
    return sorted({*ESSENTIAL, *base.packages})


def hooks(base: Base) -> list[tuple[str, str]]:
    """mmdebstrap's hooks as (stage, shell text); each gets the tree's path as `$1` (mmdebstrap(1), HOOKS)."""
    preset = '"$1/etc/systemd/system-preset/00-lab.preset"'
    customize = [
        f'mkdir -p "$1/etc/systemd/system-preset"; {_print_lines(_PRESETS)} > {preset}',
        f'chroot "$1" systemctl --quiet preset-all; rm {preset}',
        f'chroot "$1" systemctl --quiet mask {" ".join(_MASKED)}',
        'chroot "$1" systemctl --quiet set-default multi-user.target',
        f'{_print_lines(_SSHD)} > "$1/etc/ssh/sshd_config.d/lab.conf"',
        'rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/mailname"; echo lab > "$1/etc/hostname"',
        ': > "$1/etc/machine-id"; : > "$1/etc/resolv.conf"',
        'mkdir -p "$1/root/.ssh"; chmod 0700 "$1/root/.ssh"',
    ]
    if "postfix" in base.packages:
        # One tree suits all hosts: each gets its own name when it is made.
        customize.append(
            'chroot "$1" postconf -X myhostname; '
            'chroot "$1" postconf -e "mydestination = \\$myhostname, localhost.localdomain, localhost"'
        )
    answers = f'{_print_lines(_ANSWERS)} | chroot "$1" debconf-set-selections'
    return [("essential-hook", answers), *(("customize-hook", text) for text in customize)]


def _print_lines(lines: Iterable[str]) -> str:
    return "printf '%s\\n' " + " ".join(f"'{line}'" for line in lines)


def mmdebstrap(base: Base, target: Path, sources: list[str]) -> tuple[list[str], str]:
    """The command that builds the tree in *target*, and its standard input.

    *sources* are one-line entries of sources.list(5); without any, mmdebstrap takes Debian's own mirrors.
    """
    argv = ["mmdebstrap", "--variant=minbase", "--format=directory", f"--include={','.join(packages(base))}"]
    argv.append('--aptopt=APT::Install-Recommends "false"')
    # The tree is renamed into place only when it is whole: no need to flush each file.
    argv.append("--dpkgopt=force-unsafe-io")
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    argv += [f"--{stage}={text}" for stage, text in hooks(base)]
    argv += [base.suite, str(target)]
    if not sources:
        return argv, ""
    return [*argv, "-"], "".join(f"{line}\n" for line in sources)


def digest(base: Base, architecture: str) -> str:
    """What tells one recipe from another: 16 hexadecimal digits over everything but mirrors and paths."""
    argv, _stdin = mmdebstrap(base, Path("/target"), [])
    return hashlib.sha256(json.dumps([architecture, argv]).encode()).hexdigest()[:16]


def debian_sources(files: Iterable[tuple[str, str]], suite: str) -> list[str]:
    """The machine's own entries for Debian's *suite*, its updates and its security, as one-line entries.

    *files* are (name, text) of sources.list and of files in sources.list.d, in either format of sources.list(5).
    Entries of other archives, other releases, or switched off are left out, as are those that name no key: the
    tree would not trust them. Returns [] unless the release itself is among them.
    """
    wanted = (suite, f"{suite}-updates", f"{suite}-security")
    found: list[str] = []
    for name, text in files:
        for options, uri, entry_suite, components in _deb822(text) if name.endswith(".sources") else _one_line(text):
            line = " ".join(part for part in ("deb", options, uri, entry_suite, components) if part)
            if entry_suite in wanted and "debian" in uri and line not in found:
                found.append(line)
    return found if any(f" {suite} " in line for line in found) else []


def _deb822(text: str) -> Iterable[tuple[str, str, str, str]]:
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace():
                fields[key] = f"{fields.get(key, '')} {line.strip()}"
            elif ":" in line:
                key, value = line.split(":", 1)
                key = key.strip().lower()
                fields[key] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        signed = fields.get("signed-by", "")
        options = f"[signed-by={signed}]" if signed.startswith("/") and " " not in signed else ""
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield options, uri, suite, " ".join(fields.get("components", "").split())


def _one_line(text: str) -> Iterable[tuple[str, str, str, str]]:
    for line in text.splitlines():
        match = re.fullmatch(r"\s*deb\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]*?)\s*(#.*)?", line)
        if match:
            yield (match[1] or "").strip(), match[2], match[3], " ".join(match[4].split())
