#!/usr/bin/env python3
"""A steady flow of numbered UDP packets there and back, for the tests that must not lose any.

  flow.py echo ADDRESS PORT                 sends every packet back, until it is ended
  flow.py send ADDRESS PORT RATE [SIZE]     RATE packets a second until SIGTERM, then waits a second
                                            for the rest and prints one JSON object:
      sent, received, twice, gaps: [[first second of a gap, packets missing in it] ...],
      late_ms: the longest round trip
"""
import json
import select
import signal
import socket
import struct
import sys
import time

HEADER = struct.Struct("!Id")
AFTERWARDS_SECONDS = 1.0


def open_socket(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    stream = socket.socket(family, socket.SOCK_DGRAM)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    return stream


def echo(address, port):
    stream = open_socket(address)
    stream.bind((address, port))
    print("ready", flush=True)
    while True:
        data, sender = stream.recvfrom(65536)
        try:
            stream.sendto(data, sender)
        except OSError:
            pass  # counted as lost by the sender


class Sender:
    def __init__(self, address, port, rate, size):
        self.stream = open_socket(address)
        self.stream.connect((address, port))
        self.stream.setblocking(False)
        self.interval, self.padding = 1 / rate, bytes(max(0, size - HEADER.size))
        self.sent_at, self.received, self.twice, self.late = [], set(), 0, 0.0
        self.stopping = False
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *_):
        self.stopping = True

    def send(self):
        now = time.monotonic()
        try:
            self.stream.send(HEADER.pack(len(self.sent_at), now) + self.padding)
        except OSError:
            pass  # an ICMP error of an earlier packet, or no route: lost
        self.sent_at.append(now)

    def receive(self):
        while True:
            try:
                number, then = HEADER.unpack_from(self.stream.recv(65536))
            except BlockingIOError:
                return
            except OSError:
                continue
            if number in self.received:
                self.twice += 1
            self.received.add(number)
            self.late = max(self.late, time.monotonic() - then)

    def run(self):
        began = due = time.monotonic()
        while not self.stopping:
            select.select([self.stream], [], [], max(0.0, due - time.monotonic()))
            self.receive()
            if time.monotonic() >= due:
                self.send()
                due += self.interval
        end = time.monotonic() + AFTERWARDS_SECONDS
        while (left := end - time.monotonic()) > 0 and len(self.received) < len(self.sent_at):
            select.select([self.stream], [], [], left)
            self.receive()
        gaps = []
        for number, when in enumerate(self.sent_at):
            if number in self.received:
                continue
            if gaps and gaps[-1][2] == number - 1:
                gaps[-1][1:] = [gaps[-1][1] + 1, number]
            else:
                gaps.append([round(when - began, 3), 1, number])
        print(json.dumps({"sent": len(self.sent_at), "received": len(self.received),
                          "twice": self.twice, "gaps": [gap[:2] for gap in gaps],
                          "late_ms": round(self.late * 1000, 1)}))


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "echo":
        echo(sys.argv[2], int(sys.argv[3]))
    elif len(sys.argv) in (5, 6) and sys.argv[1] == "send":
        size = int(sys.argv[5]) if len(sys.argv) == 6 else 200
        Sender(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), size).run()
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
