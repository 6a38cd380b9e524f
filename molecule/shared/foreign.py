#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what other firewalls have on this host, or compare it with what was kept. Shares no code with the modules.

usage: foreign.py keep NAME        remember every table that is not ours, and the other firewalls' files
       foreign.py untouched NAME   the same bytes, the kernel's handles included: nobody reloaded anything
       foreign.py same NAME        the same rules; a firewall may have loaded its own anew

Values of counters and dates are left out. Prints the differences and leaves with 1 when there are some.
"""

import difflib
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

OURS = "table inet alertpath"
KEPT = Path("/var/lib/alertpath-truth")
FILES = ("etc/firewalld", "etc/ufw", "lib/ufw", "etc/default/ufw", "etc/nftables.conf", "etc/foreign")
LEGACY = ("iptables-legacy-save", "ip6tables-legacy-save")


def output(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def tables(*options):
    names = [line for line in output("nft", "list", "tables").splitlines() if line != OURS]
    return [output("nft", "--stateless", *options, "list", *name.split()) for name in sorted(names)]


def saved(tool):
    text = re.sub(r"^#.*\n| \[\d+:\d+\]$", "", output(tool), flags=re.MULTILINE)
    # Merely looking with iptables makes a table that lets everything pass.
    return re.sub(r"^\*\w+\n(:\w+ ACCEPT\n)+COMMIT\n", "", text, flags=re.MULTILINE)


def hashed(root):
    found = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    return [f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in found]


def present():
    return {
        "rules": [*tables(), *map(saved, LEGACY), *(saved(f"ip{v}tables-nft-save") for v in ("", "6"))],
        "handles": tables("--handle"),
        "files": [line for name in FILES for line in hashed(Path("/") / name)],
    }


what, name = sys.argv[1:]
kept = KEPT / f"{name}.json"
if what == "keep":
    KEPT.mkdir(exist_ok=True)
    kept.write_text(json.dumps(present()))
    sys.exit()
before, now = json.loads(kept.read_text()), present()
differences = [
    line
    for part in (("rules", "files") if what == "same" else ("rules", "handles", "files"))
    for line in difflib.unified_diff(*("\n".join(state[part]).splitlines() for state in (before, now)), part, part, n=1)
]
print("\n".join(differences))
sys.exit(1 if differences else 0)
