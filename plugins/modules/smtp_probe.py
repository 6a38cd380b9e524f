#!/usr/bin/python
# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_probe
short_description: Find out from a host which SMTP paths are open, and to whom
version_added: 0.1.0
description:
  - Connects from the host it runs on to all O(targets) at once, says for each what was seen, and compares that with
    what was expected.
  - A path that is V(allowed) passes only when the right server answers. A path that is V(blocked) passes only when no
    connection comes about, though the network lives and the address itself gave a sign of life. A probe that could not
    run never passes.
  - Several fresh SYNs are sent to each target, so that a lost packet is not mistaken for a firewall. The first answer
    decides. A path that should be open and is not is probed a second time, more patiently.
  - No connection alone does not prove a block, for a host that is down or an address that is mistyped is silent too,
    and what this host's own rules refuse they refuse on a dead network as well. Every destination that should be
    blocked is therefore asked for a sign of life on O(control_ports), and an answer counts only when it comes in by the
    interface that leads there. A reset by a rule in this host's own output is taken for the network's all the same.
  - Sends no mail and changes nothing. Every SMTP session ends with QUIT.
requirements:
  - paramiko 3.4 or later where the module runs, for O(via=ssh).
  - Linux 5.7 or later, or root, to bind the sockets that ask for a sign of life to an interface. Else a reset on
    a control port is none.
  - Linux 5.8 or later to name the device that rejects a connection. Older kernels give a less exact outcome.
extends_documentation_fragment:
  - alertpath.smtp.attributes
  - alertpath.smtp.attributes.actiongroup_smtp
attributes:
  check_mode:
    support: full
    details:
      - The module only looks. It probes in check mode as well.
  diff_mode:
    support: none
    details:
      - Nothing is ever changed.
  platform:
    support: full
    platforms: linux
options:
  targets:
    description:
      - What to probe. The C(probes) of the plan can be given as they are.
    type: list
    elements: dict
    required: true
    suboptions:
      destination:
        description:
          - The IPv4 or IPv6 address, or a name. A name gives one row for each of its addresses.
        type: str
        required: true
      port:
        description: The TCP port.
        type: int
        required: true
      expect:
        description: Whether the path should be open or not.
        type: str
        choices: [allowed, blocked]
        default: allowed
      source:
        description: The address of this host to probe from. The routing table chooses by default.
        type: str
      encryption:
        description: How the server offers TLS, V(starttls), V(implicit) or V(none). Without it, the same as V(none).
        type: str
      name:
        description:
          - What the server calls itself. Its certificate must carry the name. Where no certificate is verified, its
            greeting must.
          - Without it, any server will do, at O(depth=tls) any whose certificate comes from a trusted authority.
        type: str
      host:
        description: The destination's name in the inventory, for the reader.
        type: str
      path:
        description: The path of the policy this target comes from, for the reader.
        type: str
      depth:
        description: How far to go with this target, instead of O(depth).
        type: str
  depth:
    description:
      - How far to go with targets that should be open. Those that should be blocked are only connected to.
      - V(connect) opens a TCP connection, as C(telnet) would, and does not ask who answers.
      - V(banner) reads the greeting as well. With C(encryption=implicit) it is read inside TLS without verifying the
        certificate.
      - V(ehlo) asks what the server offers as well, in clear text or inside implicit TLS, without verifying the
        certificate.
      - V(tls) verifies the certificate, with STARTTLS or implicit TLS. With C(encryption=none) it is the same
        as V(banner).
      - V(auth) logs in with O(username) and O(password) as well, inside TLS and at a server whose certificate proved
        its C(name), never otherwise. With C(encryption=none) such a row fails.
      - V(mail) asks with MAIL and RCPT whether the server takes mail for O(recipient), after logging in when
        O(username) is given, and then takes it back with RSET. There is no DATA, so no message is ever sent.
    type: str
    choices: [connect, banner, ehlo, tls, auth, mail]
    default: tls
  ca_file:
    description:
      - A file on the host with the certificates of the authorities to trust, in PEM form. No other authority is
        trusted then.
      - Without O(ca_file) and O(ca_pem), the host's own authorities are trusted.
    type: path
  ca_pem:
    description: The certificates of the authorities to trust, as PEM text. No other authority is trusted then.
    type: str
  window:
    description:
      - Seconds after the first SYN until silence is called a filter. Six SYNs are sent within the first 0.55 seconds,
        the last one at least half a second, or half of a shorter window, before its end.
      - After 1 second the kernel repeats the first SYN, and shows then whether this host's own rules drop it. A shorter
        window does not find that out.
      - The second look at a path that should be open takes twice as long, and 4 seconds at least.
    type: float
    default: 1.05
  timeout:
    description:
      - Seconds that each step of a session may take (greeting, EHLO, STARTTLS, handshake, AUTH, MAIL, RCPT), and that
        the resolver may take for all names.
      - A server that keeps clients waiting on purpose (Postfix's postscreen, 6 seconds) must fit in.
    type: float
    default: 15.0
  timeouts:
    description: Seconds for single steps of a session, instead of O(timeout).
    type: dict
    suboptions:
      greeting:
        description: From the connection to the whole greeting.
        type: float
      ehlo:
        description: For the reply to EHLO.
        type: float
      starttls:
        description: For the reply to STARTTLS.
        type: float
      tls:
        description: For the handshake.
        type: float
      auth:
        description: For all of AUTH.
        type: float
      mail:
        description: For each of the replies to MAIL and RCPT.
        type: float
      quit:
        description: For each of the replies to RSET and QUIT, after which nothing is found any more. 2 seconds at most
          by default.
        type: float
  deadline:
    description:
      - Seconds a target may take in all, its second look included. Whatever step is due then ends.
      - Four times the longest of O(timeout) and O(timeouts) by default.
    type: float
  client_cert:
    description: A file on the host with a client certificate in PEM form, for servers that ask for one.
    type: path
  client_key:
    description: A file on the host with the key of O(client_cert). By default it is in the same file.
    type: path
  client_key_password:
    description: The password of the key, when it is encrypted.
    type: str
  username:
    description:
      - Who to log in as, at the depths V(auth) and V(mail). It is not in the result, unless a host or path has the same
        name.
    type: str
  password:
    description:
      - The password of O(username). It is sent to a server whose certificate proved its name, inside TLS.
      - One that is part of a word of the result, such as a verdict or the name of a host, is refused. Ansible would
        mask that word, and so tell the password.
    type: str
  sender:
    description: The sender that V(mail) gives. Empty for the null sender, as bounces have it.
    type: str
    default: ""
  recipient:
    description: The recipient that V(mail) asks for. Required for that depth.
    type: str
  control_ports:
    description:
      - Ports on which destinations that should be blocked are asked for a sign of life.
      - A connection shows that it is there. So does a reset, or an ICMP rejection by the destination itself, where the
        port in question met something else. Where both met the same, that shows only that the network lives, for
        a firewall may do it in anybody's name.
      - An empty list asks none. A block is then only as good as the open targets are, and silence takes 4 seconds to be
        called.
    type: list
    elements: int
    default: [22]
  require_control:
    description:
      - Whether a blocked path counts as a difference when nothing else in the same address family answered, neither a
        control port nor a target.
      - With V(false), such rows pass, and their C(control) is V(none). O(require_answer) means nothing then.
    type: bool
    default: true
  require_answer:
    description:
      - Whether a blocked path counts as a difference, too, when its address gave no sign of life, on O(control_ports)
        or at another target. From one host, a mistyped address looks just like a blocked server that is silent.
      - With V(false), such rows pass when anything in the same address family answered, and their C(control) is
        V(family). That is right for addresses that are known to be right and that no port of which can be reached,
        such as one on the internet seen from an isolated network, and for runs that
        P(alertpath.smtp.matrix_evidence#filter) judges, which knows what answered the other hosts.
    type: bool
    default: true
  locate:
    description:
      - Which rows to find the stopping device for. It is a search of some seconds for each path, two at a time, after
        all targets were probed, with SYNs of rising TTL and other means that need no privilege.
      - V(differences) searches for rows that are not as expected, V(all) for those that are blocked as well, and for
        open ones whose server proved no name.
      - A device is named only on a positive sign of it. A silent drop is placed between two neighbours at best.
    type: str
    choices: [nothing, differences, all]
    default: nothing
  locate_budget:
    description:
      - Seconds after which no further search begins. What was not searched says so. Rows that are not as expected come
        first.
    type: float
    default: 60.0
  via:
    description:
      - Where the connections start. V(host) is the host that the module runs on.
      - V(ssh) is the last host of O(ssh), which needs no Python, only an SSH server that forwards TCP connections
        (C(direct-tcpip)). Run the task where that server can be reached from, C(delegate_to=localhost) mostly.
      - Over SSH there is less to see. No device is named, a reset looks like an ICMP error before the connection and
        like an orderly end after it, and the server takes no O(targets[].source). RV(rows[].cannot_tell) says what that
        leaves open. Names are looked up where the module runs.
      - What goes wrong with SSH itself never counts as a block.
    type: str
    choices: [host, ssh]
    default: host
  ssh:
    description:
      - For O(via=ssh), the hosts on the way in their order, each reached through the one before. The last one probes.
      - A host is logged in to with C(key_file), else C(password), else the keys of the SSH agent.
    type: list
    elements: dict
    suboptions:
      host:
        description: The name or address.
        type: str
        required: true
      user:
        description: Who to log in as.
        type: str
        required: true
      port:
        description: The port of the SSH server.
        type: int
        default: 22
      key_file:
        description: A file, where the module runs, with the private key.
        type: path
      key_passphrase:
        description: The passphrase of the key, when it is encrypted.
        type: str
      password:
        description: The password, alone or after the key where the server wants both.
        type: str
  known_hosts:
    description:
      - A file, where the module runs, with the host keys of O(ssh), as OpenSSH has it.
      - A host whose key is not in it, is another one, or is revoked there is not talked to. No key is ever added.
        Certificate authorities are not supported.
    type: path
    default: ~/.ssh/known_hosts
  fail_on_difference:
    description: Whether the module fails when a row is not as expected. The rows are returned either way.
    type: bool
    default: true
author:
  - Alertpath contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Probe the plan's matrix from this host
  alertpath.smtp.smtp_probe:
    targets: "{{ smtp_plan.hosts[inventory_hostname].probes }}"
    ca_pem: "{{ lookup('ansible.builtin.file', 'files/corp-ca.pem') }}"

- name: The gateway must be reachable, and on one port only
  alertpath.smtp.smtp_probe:
    targets:
      - {destination: 10.77.30.25, port: 465, encryption: implicit, name: smtp.corp.test}
      - {destination: 10.77.30.25, port: 25, expect: blocked}
    ca_file: /etc/ssl/certs/corp-ca.pem

- name: The internet must not be reachable, none of whose ports answers here
  alertpath.smtp.smtp_probe:
    targets:
      - {destination: 10.77.30.25, port: 465, encryption: implicit, name: smtp.corp.test}
      - {destination: 203.0.113.25, port: 25, expect: blocked}
    ca_file: /etc/ssl/certs/corp-ca.pem
    require_answer: false

- name: The gateway takes alerts from the vault's account for the security team
  alertpath.smtp.smtp_probe:
    targets:
      - {destination: 10.77.30.25, port: 465, encryption: implicit, name: smtp.corp.test}
    depth: mail
    username: "{{ gateway_username }}"
    password: "{{ gateway_password }}"
    sender: vault-alerts@corp.test
    recipient: soc@corp.test

- name: What the appliance reaches, which has no Python, through a jump host
  alertpath.smtp.smtp_probe:
    targets: "{{ smtp_plan.hosts['appliance'].probes }}"
    ca_file: files/corp-ca.pem
    via: ssh
    ssh:
      - {host: jump.corp.test, user: auditor, key_file: ~/.ssh/auditor}
      - {host: appliance.corp.test, user: probe, key_file: ~/.ssh/auditor}
  delegate_to: localhost

- name: See what a list of servers does, without judging
  alertpath.smtp.smtp_probe:
    targets:
      - {destination: mx.corp.test, port: 25}
    depth: banner
    fail_on_difference: false
  register: seen
"""

RETURN = r"""
rows:
  description:
    - One row for each target, in their order; for a name, one for each of its addresses.
    - Each has the target's fields and those below.
  returned: always
  type: list
  elements: dict
  contains:
    depth:
      description: How far it was looked. Targets that should be blocked are only connected to.
      type: str
      sample: tls
    via:
      description: The host that was probed from over SSH, null when the one that the module runs on did it itself.
      type: str
      sample: null
    address:
      description: The address that was probed, null when there was none.
      type: str
      sample: 10.77.30.25
    outcome:
      description:
        - What was seen.
        - Of no connection, V(refused) (a TCP reset), V(rejected) (an ICMP error that a firewall sends), V(filtered)
          (silence).
        - Of a probe that could not run, V(no_route), V(name_error), V(local_error).
        - Of a connection, V(banner_timeout), V(not_smtp), V(greeting_refused), V(tls_missing), V(tls_failed),
          V(wrong_server), V(auth_failed), V(mail_refused), and V(open) when nothing was wrong as far as O(depth) went.
      type: str
      sample: open
    class:
      description:
        - What was seen, as finely as the evidence allows. The outcome itself where there is nothing finer to say.
        - Of V(open), V(banner_late) (the greeting took 3 seconds or more). Of V(refused), V(rejected) and V(filtered),
          V(own_rule) (this host's own rules did it; of a reset, only O(locate) finds that out). Of
          V(no_route), V(unreachable) (a router said so) and V(no_neighbour) (ARP or neighbour discovery got no answer).
          Of V(local_error), V(local_policy) (this host forbids the call), V(carrier_lost) (the SSH connection is gone),
          V(carrier_forbids) (its server forwards nothing there), V(carrier_unclear) (it gives no reason that is known).
        - Of V(banner_timeout), V(silent) (what was sent is acknowledged, nothing is said), V(half_open) (nothing
          is acknowledged), V(tarpit) (a send window of 0), V(banner_incomplete).
        - Of V(not_smtp), and of V(tls_failed) with implicit TLS, V(reset_after_accept), V(closed_after_accept),
          V(rejected_after_accept) (an ICMP error after the handshake).
        - Of V(greeting_refused), V(greeting_421), V(greeting_554), V(ehlo_refused).
        - Of V(tls_missing), V(tls_not_offered), V(tls_refused), V(tls_stripped) (a device on the way overwrites the
          offer), V(ehlo_refused), V(clear_text) (where implicit TLS is due). C(evidence.tls_error) says why
          V(tls_failed).
        - Of V(wrong_server), V(wrong_certificate), V(wrong_greeting), V(hidden_greeting) (overwritten with asterisks).
        - Of V(auth_failed), V(auth_missing) (no common mechanism), V(auth_unsafe) (credentials were not sent),
          V(auth_refused), V(auth_deferred).
        - Of V(mail_refused), V(sender_refused), V(sender_deferred), V(recipient_refused), V(recipient_deferred),
          V(auth_required).
        - Of any session, V(reset_in_session), V(rejected_after_accept), V(half_open), V(tarpit).
        - Of any connection, V(intercepted) (a device before the destination answers or diverts it; only O(locate) finds
          that out).
      type: str
      sample: open
    cannot_tell:
      description: What the evidence leaves open, in words.
      type: list
      elements: str
      sample: ["whether the destination itself or a firewall in its name sent the reset"]
    evidence:
      description:
        - What the outcome rests on. C(text) in words, and where they apply C(errno), C(local), C(reset),
          C(icmp_type), C(icmp_code), C(device) (who sent the ICMP error), C(greeting), C(greeting_name), C(reply),
          C(tls_version), C(cipher), C(tls_error), C(name_verified), C(certificate_names),
          C(common_name_only) (it has no alternative names, so newer clients will not accept it), C(days_left).
        - C(smtp) has C(greeting_code), C(greeting_seconds), C(extensions) (from EHLO, each with its parameters),
          C(size), C(auth) (mechanisms), C(auth_in_clear), C(mechanism) (the one used), and C(exchanges), one for each
          stage with C(stage), C(code), C(enhanced) (RFC 3463), C(text), C(seconds).
        - C(tls) has C(chain) as the server sent it (C(names), C(issuer), C(not_after), C(days_left)),
          C(client_certificate_asked), C(client_certificate_sent).
        - C(tcp) of a server that fell silent has C(acknowledged), C(window), C(retransmits).
      type: dict
      sample:
        text: "10.77.20.1 answered: communication administratively prohibited"
        icmp_type: 3
        icmp_code: 13
        device: 10.77.20.1
    where:
      description: Where the connection stops. Null when O(locate) did not ask for it.
      type: dict
      contains:
        answer:
          description: V(exact) (one device), V(between) (one of two neighbours), V(nothing) (the destination accepts),
            V(cannot_tell).
          type: str
          sample: exact
        how:
          description: What it does, V(drops), V(resets), V(rejects), V(answers) (in the destination's place),
            V(diverts), V(loops), V(refuses to send).
          type: str
          sample: rejects
        type:
          description: The type of the ICMP error that stops the connection, null when none does.
          type: int
          sample: 3
        code:
          description: Its code.
          type: int
          sample: 13
        device:
          description: Of V(exact), the device, with C(hop) (0 is this host), C(address), C(role). Null otherwise.
          type: dict
          sample: {hop: 1, address: 10.77.20.1, role: router}
        neighbours:
          description: Of V(between), the two neighbours, each as C(device). Empty otherwise.
          type: list
          elements: dict
        suspects:
          description: Of V(cannot_tell), the devices next to which it happens. None of them is accused.
          type: list
          elements: dict
        own_rule:
          description: The counter of our own rules on this host that counted the packets. Null when none did, or when
            the module may not read it.
          type: str
          sample: blocked_egress in table inet alertpath
        text:
          description: All of it in words.
          type: str
    attempts:
      description: How often the target was probed, 0 when that was not possible.
      type: int
      sample: 1
    seconds:
      description: How long it took.
      type: float
      sample: 0.021
    control:
      description:
        - For a target that should be blocked, the best sign that it is the path and not the network that is shut.
        - V(destination) when the destination itself took a connection elsewhere, or rejected or reset one in another
          way than this one, V(family) when only another one of the same address family did, or when both were reset or
          rejected alike, V(none) when nothing answered.
      type: str
      sample: destination
    verdict:
      description: V(pass), V(fail), V(error) when the probe could not run, or V(unproven) when a block may be none.
      type: str
      sample: pass
    reason:
      description: Why, in words.
      type: str
      sample: smtp.corp.test answers, proved by its certificate
    remedy:
      description: What to do about a row that is not as expected. Null when it passes.
      type: str
summary:
  description: How many rows got each verdict.
  returned: always
  type: dict
  sample: {pass: 55, fail: 1, error: 0, unproven: 0}
controls:
  description: At how many addresses something answered, by address family.
  returned: always
  type: dict
  sample: {ipv4: 8, ipv6: 8}
moved_names:
  description:
    - Names of servers that must be open, which resolve on this host to other addresses than the pinned ones.
    - A finding, not a failure, for mail goes to the pinned address. A name that does not resolve here is left out.
  returned: always
  type: list
  elements: dict
  sample: [{name: smtp.corp.test, pinned: [10.77.30.25], resolved: [10.77.30.26]}]
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import options
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.matrix import probe
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.tls import TrustError
from ansible_collections.alertpath.smtp.plugins.module_utils.ssh.model import SshFailure


def _require_paramiko(module: AnsibleModule) -> None:
    try:
        import paramiko  # noqa: F401  # only whether it is there
    except ImportError:
        module.fail_json(msg=missing_required_lib("paramiko", reason="to probe over SSH"))


def main() -> None:
    module = AnsibleModule(
        argument_spec=options.ARGUMENT_SPEC,
        mutually_exclusive=options.MUTUALLY_EXCLUSIVE,
        required_together=options.REQUIRED_TOGETHER,
        required_by=options.REQUIRED_BY,
        required_if=options.REQUIRED_IF,
        supports_check_mode=True,
    )
    if module.params["via"] == options.SSH:
        _require_paramiko(module)
    try:
        evidences = probe(options.targets(module.params), options.settings(module.params))
        evidences = options.placed(evidences, module.params)
    except (options.OptionRefused, TrustError, SshFailure) as error:
        module.fail_json(msg=str(error))
    # The rows repeat each target: said a third time, a matrix would only be slower to hand on and to read at -vvv.
    said = {**module.params, "targets": f"{len(module.params['targets'])}, see rows"}
    said["username"] = None if said["username"] is None else "not shown"
    result = {**options.result(evidences), "invocation": {"module_args": said}}
    complaint = options.complaint(evidences.rows)
    if complaint and module.params["fail_on_difference"]:
        module.fail_json(msg=complaint, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
