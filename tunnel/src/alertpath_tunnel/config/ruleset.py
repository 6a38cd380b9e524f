# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the profiles and rules of a service. Only what this version carries out is accepted."""

from __future__ import annotations

from alertpath_tunnel.config.fields import Fields
from alertpath_tunnel.rules import model
from alertpath_tunnel.rules.patterns import BUILTIN, PatternError, compile_pattern

_MAX_DEPTH = 20


def read_profiles(fields: Fields) -> tuple[model.Profile, ...]:
    """Read `profiles` of a service; those that are not enabled are left out."""
    profiles = []
    for item in fields.children("profiles", required=False):
        enabled = item.boolean("enabled", True)
        item.string("description", "", empty=True)
        profile = model.Profile(item.string("name", longest=256), _message_rules(item))
        item.close()
        if enabled:
            profiles.append(profile)
    return tuple(profiles)


def _message_rules(parent: Fields) -> tuple[model.MessageRule, ...]:
    rules: list[model.MessageRule] = []
    for item in parent.children("rules"):
        enabled, name, action = _head(item, ("Extract", "Exit", "Error", "Log"))
        rule: model.MessageRule = _extract_message(item, name) if action == "Extract" else _leaf(item, name, action)
        item.close()
        if enabled:
            rules.append(rule)
    if rules and not isinstance(rules[0], model.ExtractMessage):
        parent.wrong("rules", "must begin with Extract of SMTP Message", "put that rule first")
    return tuple(rules)


def _text_rules(parent: Fields, depth: int) -> tuple[model.TextRule, ...]:
    if depth > _MAX_DEPTH:
        parent.wrong("rules", f"nests deeper than {_MAX_DEPTH}", "flatten the tree")
        return ()
    rules: list[model.TextRule] = []
    for item in parent.children("rules"):
        enabled, name, action = _head(item, ("Extract", "Transform", "Exit", "Error", "Log"))
        rule: model.TextRule
        if action == "Extract":
            rule = _extract_text(item, name, depth)
        elif action == "Transform":
            rule = _transform(item, name)
        else:
            rule = _leaf(item, name, action)
        item.close()
        if enabled:
            rules.append(rule)
    return tuple(rules)


def _head(item: Fields, actions: tuple[str, ...]) -> tuple[bool, str, str]:
    item.string("description", "", empty=True)
    return item.boolean("enabled", True), item.string("name", longest=256), item.choice("action", actions)


def _leaf(item: Fields, name: str, action: str) -> model.Exit | model.Error | model.Log:
    if action == "Exit":
        return model.Exit(name, item.choice("scope", model.SCOPES, "Branch"))
    if action == "Error":
        message = item.string("message", "Message refused by rule", longest=200)
        if not message.isascii():
            item.wrong("message", "is not ASCII", "SMTP replies are ASCII")
        return model.Error(name, message)
    return model.Log(name, item.string("message", longest=200))


def _transform(item: Fields, name: str) -> model.Transform:
    item.choice("method", ("Data Protection",), "Data Protection")
    item.choice("operation", ("protect",), "protect")
    return model.Transform(name, item.string("data_element", longest=55))


def _extract_message(item: Fields, name: str) -> model.ExtractMessage:
    payload = item.child("payload")
    payload.choice("type", ("SMTP Message",))
    fields = payload.strings("fields", model.FIELDS)
    for index, field in enumerate(fields):
        if field not in model.FIELDS:
            known = ", ".join(model.FIELDS)
            payload.problem(f"{payload.at('fields')}[{index}]", field, "is not a known field", f"use: {known}")
    if payload.raw("fields") == []:
        payload.wrong("fields", "is empty: its rules would see nothing", "name subject, body or both")
    attachments = payload.choice("attachments", ("pass", "refuse"), "pass")
    opaque = payload.choice("opaque", ("refuse", "pass"), "refuse")
    payload.close()
    return model.ExtractMessage(name, fields, attachments, opaque, _text_rules(item, 1))


def _extract_text(item: Fields, name: str, depth: int) -> model.ExtractText:
    payload = item.child("payload")
    payload.choice("type", ("Text",))
    builtin = payload.choice("pattern", tuple(BUILTIN)) if payload.has("pattern") else None
    regex = payload.string("regex") if payload.has("regex") else None
    if (builtin is None) == (regex is None):
        payload.problem(payload.path, builtin or regex, "needs one of pattern and regex", "set exactly one")
    group = payload.raw("group")
    if group is not None and (isinstance(group, bool) or not isinstance(group, (str, int))):
        payload.wrong("group", "must be the name or number of a group", "correct it")
        group = None
    pattern = model.Pattern(
        regex=regex,
        builtin=builtin,
        group=group if isinstance(group, (str, int)) else 0,
        luhn=payload.boolean("luhn", False),
        prerequisite=payload.string("prerequisite") if payload.has("prerequisite") else None,
    )
    if pattern.luhn and builtin != "ccn":
        payload.wrong("luhn", "is a check of the pattern ccn", "remove it")
    if (builtin is None) != (regex is None):
        try:
            compile_pattern(pattern)
        except PatternError as error:
            payload.wrong(error.field, str(error), error.remedy)
    payload.close()
    return model.ExtractText(name, pattern, _text_rules(item, depth + 1))
