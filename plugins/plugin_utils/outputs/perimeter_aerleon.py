# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let aerleon write an ACL, and take nothing from it that it wrote in part."""

from __future__ import annotations

import contextlib
import importlib
import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..policy.errors import Findings
from .perimeter_plan import cidr, refuse
from .perimeter_targets import Filter, Platform
from .perimeter_terms import FINAL, Term

PACKAGE = "aerleon"
_HARMLESS = re.compile(r"LARGE TERM ENCOUNTERED|WARNING: The keywords \['comment'\] in Term \S+ are not supported.*")
_ACTIONS = {"permit": "accept", "deny": "deny"}
_SHORT = 120


class Missing(Exception):
    """The package is not there; the message says how to get it."""


def load(module: str) -> Any:
    """Import a module of aerleon. Raises Missing."""
    try:
        return importlib.import_module(f"{PACKAGE}.{module}")
    except ImportError as error:
        raise Missing(
            f"the Python package {PACKAGE} cannot be imported on the controller ({error}); install it for the Python "
            f"that runs Ansible: python3 -m pip install '{PACKAGE}>=1.18'"
        ) from error


def targets() -> list[str]:
    """The names of every target that aerleon can write. Raises Missing."""
    return sorted({entry[0] for entry in load("lib.plugin_supervisor").BUILTIN_GENERATORS})


def write(target: str, platform: Platform, acl: Filter, found: Sequence[Term], comment: Sequence[str]) -> str:
    """The text of one ACL. Raises Missing, or Refused with what aerleon could not write."""
    findings = Findings()
    definitions = load("lib.naming").Naming()
    definitions.ParseDefinitionsObject(_definitions(found), "")
    policy = {
        "filename": acl.name,
        "filters": [
            {
                "header": {"targets": {target: acl.header}, "comment": _joined(comment, platform)},
                "terms": [_term(term, platform) for term in found],
            }
        ],
    }
    heard: list[str] = []
    text = ""
    try:
        with _listening(heard):
            builder = load("lib.policy_builder").PolicyBuilder(policy, definitions, False, False)
            text = str(_generator(target)(load("lib.policy").FromBuilder(builder), 0))
    except Missing:
        raise
    except Exception as error:  # noqa: BLE001  # its generators raise errors of many unrelated kinds
        findings.error(
            None, "options", acl.header, f"{target}: {error}".strip(), "say options that this target of aerleon knows"
        )
    refuse(findings)
    for line in heard:
        if not _HARMLESS.fullmatch(line):
            findings.error(None, "target", target, f"aerleon warns: {line}", "nothing is made of an ACL in part")
    _whole(target, text, found, findings)
    refuse(findings)
    return text


def _definitions(found: Sequence[Term]) -> dict[str, Any]:
    networks = {
        name: {"values": [{"address": cidr(block)} for block in blocks]}
        for term in found
        for name, blocks in ((f"{term.name}-s", term.sources), (f"{term.name}-d", term.destinations))
        if blocks
    }
    services = {_service(term): [{"protocol": "tcp", "port": str(port)} for port in term.ports] for term in found}
    services.pop("", None)
    return {"networks": networks, "services": services}


def _service(term: Term) -> str:
    return f"TCP-{'-'.join(map(str, term.ports))}" if term.ports else ""


def _term(term: Term, platform: Platform) -> dict[str, Any]:
    """The term for aerleon. Its expiration is not handed on: aerleon would go by its own clock and leave an expired
    term out, a deny too; what has expired is decided before."""
    made: dict[str, Any] = {
        "name": term.name,
        "action": _ACTIONS[term.action],
        "comment": _joined(term.comment, platform),
    }
    if term.sources:
        made["source-address"] = f"{term.name}-s"
    if term.destinations:
        made["destination-address"] = f"{term.name}-d"
    if term.ports:
        made.update({"protocol": "tcp", "destination-port": _service(term)})
    return made


def _joined(lines: Sequence[str], platform: Platform) -> str:
    return "\n".join(lines) if platform.style == "lines" else "; ".join(lines)[:_SHORT].strip()


def _generator(target: str) -> Any:
    if target == "ciscoasa":
        return _asa()
    module, name = next(
        (module, name) for known, module, name in load("lib.plugin_supervisor").BUILTIN_GENERATORS if known == target
    )
    return getattr(load(module.removeprefix(f"{PACKAGE}.")), name)


def _asa() -> Any:
    """aerleon's ASA generator for both families: its own one writes IPv4 only, and says nothing about the rest."""
    module = load("lib.ciscoasa")

    def translate(self: Any, _policy: Any, _weeks: int) -> None:
        self.ciscoasa_policies = [
            (
                header,
                header.FilterName("ciscoasa"),
                [str(module.Term(term, header.FilterName("ciscoasa"), af=_version(term))) for term in terms],
            )
            for header, terms in self.policy.filters
        ]

    return type("BothFamilies", (module.CiscoASA,), {"_TranslatePolicy": translate})


def _version(term: Any) -> int:
    return 6 if any(address.version == 6 for address in term.source_address) else 4


class _Ear(logging.Handler):
    """Keeps what is logged as a warning, or worse."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(record.getMessage().strip())


@contextlib.contextmanager
def _listening(heard: list[str]) -> Iterator[None]:
    """Collect aerleon's warnings instead of printing them."""
    logger = logging.getLogger("absl")
    level, propagate, handlers = logger.level, logger.propagate, logger.handlers
    logger.handlers, logger.propagate = [_Ear(heard)], False
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def _whole(target: str, text: str, found: Sequence[Term], findings: Findings) -> None:
    """Every term must have left its addresses in the text."""
    for term in found:
        for field, blocks in (("sources", term.sources), ("destinations", term.destinations)):
            for block in blocks:
                if block.prefix and str(block).partition("/")[0] not in text:
                    findings.error(
                        term.path,
                        field,
                        block,
                        f"aerleon left it out of the ACL for {target}",
                        "report it with the plan",
                    )
    if not text.strip() or not any(str(port) in text or port == 25 for term in found for port in term.ports):
        findings.error(None, "target", target, f"aerleon wrote nothing for {FINAL}", "report it with the plan")
