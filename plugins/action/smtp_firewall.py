# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of smtp_firewall: a change that could cut the host off is confirmed over a new connection."""

from __future__ import annotations

import secrets
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

_MODULE = "alertpath.smtp.smtp_firewall"
# What reaches a host without its network, and so cannot be cut off by its firewall.
_LOCAL = ("local", "chroot", "jail", "zone", "iocage", "docker", "podman", "buildah", "lxc", "lxd", "incus", "nspawn")
_SECONDS = 30
_PAUSE = 0.5
# So long after its end, a change that nobody confirmed is taken back by either dead man.
_GRACE = 2.0
_TRIES_AFTERWARDS = 3


class ActionModule(ActionBase):
    """Run the module; when it applied the rules for a while only, prove that the host can be reached, and confirm."""

    TRANSFERS_FILES = False
    _supports_async = True
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        if not self._waits() or self._task.async_val:
            # With async nobody is there to confirm; the module says so where that is needed.
            return self._execute_module(module_name=_MODULE, task_vars=task_vars, wrap_async=self._task.async_val)
        # The id is made here: a change that cuts the session takes its own answer with it.
        identity = secrets.token_hex(8)
        start = time.monotonic()
        try:
            begun = self._phase("begin", identity, task_vars)
        except AnsibleConnectionFailure as cut:
            begun = {"msg": f"the connection was lost: {cut}", "transaction": {"id": identity, "state": "pending"}}
        if begun.get("transaction", {}).get("state") != "pending":
            return begun
        deadline = start + float(self._task.args.get("confirm_timeout") or _SECONDS)
        refused = self._confirm(identity, deadline, task_vars)
        if refused is None:
            return self._confirmed(begun)
        return self._told(identity, refused, deadline, begun, task_vars)

    def _waits(self) -> bool:
        """Whether the rules may be applied for a while only. What cannot cut the host off never is."""
        wish = self._task.args.get("commit_confirm") or "auto"
        present = (self._task.args.get("state") or "present") == "present"
        locked = boolean(self._task.args.get("lockdown") or False, strict=False)
        return present and not self._task.check_mode and (wish == "always" or (wish == "auto" and locked))

    @staticmethod
    def _confirmed(begun: dict[str, Any]) -> dict[str, Any]:
        told = {key: value for key, value in begun.items() if key not in ("msg", "failed")}
        return {
            **told,
            "changed": True,
            "confirmed": True,
            "transaction": {**begun["transaction"], "state": "confirmed"},
        }

    def _phase(self, phase: str, identity: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        transaction = {"id": identity, "phase": phase, "remote": self._remote()}
        arguments = {**self._task.args, "transaction": transaction}
        result = self._execute_module(module_name=_MODULE, module_args=arguments, task_vars=task_vars)
        if result.get("unreachable"):
            raise AnsibleConnectionFailure(str(result.get("msg", "unreachable")))
        return dict(result)

    def _remote(self) -> bool:
        name = str(self._connection.ansible_name or self._connection.transport).rpartition(".")[2]
        return name not in _LOCAL

    def _confirm(self, identity: str, deadline: float, task_vars: dict[str, Any] | None) -> str | None:
        """Confirm over a new connection, as often as the time allows; return None, or why it could not be done."""
        why = "there was no time"
        while time.monotonic() < deadline:
            try:
                self._begin_anew()
                answer = self._phase("confirm", identity, task_vars)
            except AnsibleConnectionFailure as failure:
                why = f"no new connection could be made: {failure}"
            else:
                if not answer.get("failed"):
                    return None
                why = str(answer.get("msg"))
                if answer.get("refused") != "session":
                    return why
            left = deadline - time.monotonic()
            display.vv(f"smtp_firewall: not confirmed yet, {left:.0f} s left: {why}", host=self._host())
            time.sleep(max(0.0, min(_PAUSE, left)))
        return why

    def _begin_anew(self) -> None:
        """Let the next connection be a new one: a shared one would go on working though no other could begin."""
        if self._remote():
            self._connection.reset()

    def _told(
        self, identity: str, why: str, deadline: float, begun: dict[str, Any], task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """The failure, with what became of the rules as the host itself says, once it can."""
        state = "unknown"
        for _attempt in range(_TRIES_AFTERWARDS):
            try:
                self._begin_anew()
                state = self._phase("ask", identity, task_vars).get("transaction", {}).get("state", "unknown")
            except AnsibleConnectionFailure as failure:
                why = f"{why}; afterwards: {failure}"
                state = "pending"
            if state != "pending":
                break
            time.sleep(max(_PAUSE, deadline + _GRACE - time.monotonic()))
        if state == "confirmed":
            return self._confirmed(begun)
        what = {
            "rolled-back": "the host has the rules it had before",
            "unknown": "the host knows nothing of it: it never began, or the host was restarted, with its old rules",
            "pending": "the host could not be asked; its rules from before come back by themselves",
        }[state]
        return {
            "failed": True,
            "changed": False,
            "confirmed": False,
            "msg": f"the rules were not confirmed: {why}; {what}; management must name what the controller needs",
            "transaction": {**begun["transaction"], "state": state},
        }

    def _host(self) -> str:
        return str(self._play_context.remote_addr)
