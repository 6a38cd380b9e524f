# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program that may not connect: a filter of system calls answers EPERM, as SystemCallFilter= of systemd does."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

CONNECT = {"x86_64": 42, "aarch64": 203}[platform.machine()]
NO_NEW_PRIVILEGES, SECCOMP, FILTER_MODE = 38, 22, 2  # linux/prctl.h, linux/seccomp.h
INSTRUCTION = struct.Struct("=HBBI")


def main() -> None:
    program = b"".join(
        INSTRUCTION.pack(*parts)
        for parts in (
            (0x20, 0, 0, 0),  # load the number of the system call
            (0x15, 0, 1, CONNECT),  # another one: skip the next
            (0x06, 0, 0, 0x00050000 | errno.EPERM),
            (0x06, 0, 0, 0x7FFF0000),  # allow
        )
    )
    held = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HP", len(program) // INSTRUCTION.size, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((NO_NEW_PRIVILEGES, 1, 0, 0, 0), (SECCOMP, FILTER_MODE, head, 0, 0)):
        if libc.prctl(*words):
            raise OSError(ctypes.get_errno(), "prctl")
    os.execv(sys.argv[1], sys.argv[1:])


main()
