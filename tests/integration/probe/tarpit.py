# SPDX-License-Identifier: GPL-3.0-or-later
"""A tarpit: completes the TCP handshake on one port without any socket, and never takes an octet (window 0).

Arguments: interface, port. The kernel's own answers on the port must be kept back by a rule.
"""

from __future__ import annotations

import socket
import struct
import sys

IPV4, IPV6 = 0x0800, 0x86DD
SYN, RST, ACK = 0x02, 0x04, 0x10
TCP = struct.Struct("!HHIIBBHHH")


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def answer(packet: bytes, port: int) -> bytes | None:
    """The packet with which a tarpit answers *packet*, if it does."""
    if packet[0] >> 4 == 4:
        source, destination, protocol, start = packet[12:16], packet[16:20], packet[9], (packet[0] & 15) * 4
    else:
        source, destination, protocol, start = packet[8:24], packet[24:40], packet[6], 40
    if protocol != socket.IPPROTO_TCP or len(packet) < start + TCP.size:
        return None
    theirs, ours, sequence, expected, offset, flags, *_ = TCP.unpack_from(packet, start)
    if ours != port or flags & RST:
        return None
    if flags & SYN:
        fields = [ours, theirs, 1000, (sequence + 1) & 0xFFFFFFFF, 5 << 4, SYN | ACK, 5, 0, 0]
    else:
        length = len(packet) - start - (offset >> 4) * 4
        if not length and expected != 1001:
            return None
        # The first five octets are taken, then nothing any more.
        fields = [ours, theirs, expected, sequence, 5 << 4, ACK, 0, 0, 0]
    pseudo = destination + source + struct.pack("!II", TCP.size, socket.IPPROTO_TCP)
    fields[7] = checksum(pseudo + TCP.pack(*fields))
    segment = TCP.pack(*fields)
    if packet[0] >> 4 == 6:
        return struct.pack("!IHBB", 6 << 28, len(segment), socket.IPPROTO_TCP, 64) + destination + source + segment
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, socket.IPPROTO_TCP, 0) + destination + source
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + segment


def main() -> None:
    interface, port = sys.argv[1], int(sys.argv[2])
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as wire:
        wire.bind((interface, 3))
        print("listening", flush=True)
        while True:
            packet, (_name, protocol, kind, _type, hardware) = wire.recvfrom(65535)
            if protocol in (IPV4, IPV6) and kind == socket.PACKET_HOST:
                reply = answer(packet, port)
                if reply is not None:
                    wire.sendto(reply, (interface, protocol, 0, 0, hardware))


main()
