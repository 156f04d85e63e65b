#!/usr/bin/env python3
"""One TCP stream with a checksum, for the demo and the tests.

  transfer.py serve ADDRESS PORT                 receives one stream, prints "BYTES SHA256"
  transfer.py send ADDRESS PORT MIB [SECONDS]    sends MIB mebibytes (or for SECONDS), prints
                                                 "BYTES SHA256 SECONDS"
The sender ends only when the receiver has confirmed the number of bytes.
"""
import hashlib
import os
import socket
import sys
import time

BLOCK = 1 << 20


def serve(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as listener:
        stream, _ = listener.accept()
        with stream:
            digest, size = hashlib.sha256(), 0
            buffer = memoryview(bytearray(BLOCK))
            while count := stream.recv_into(buffer):
                digest.update(buffer[:count])
                size += count
            stream.sendall(str(size).encode())
    print(size, digest.hexdigest())


def send(address, port, mebibytes, seconds=None):
    blocks = [os.urandom(BLOCK) for _ in range(8)]
    digest, size = hashlib.sha256(), 0
    deadline = time.monotonic() + 10
    while True:
        try:
            stream = socket.create_connection((address, port), timeout=10)
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    with stream:
        stream.settimeout(120)
        start = time.monotonic()
        number = 0
        while number < mebibytes if seconds is None else time.monotonic() - start < seconds:
            block = blocks[number % len(blocks)]
            stream.sendall(block)
            digest.update(block)
            size += len(block)
            number += 1
        stream.shutdown(socket.SHUT_WR)
        confirmed = stream.recv(64)
        elapsed = time.monotonic() - start
    if confirmed != str(size).encode():
        sys.exit(f"the receiver confirmed {confirmed!r}, not {size}")
    print(size, digest.hexdigest(), f"{elapsed:.6f}")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]),
             float(sys.argv[5]) if len(sys.argv) > 5 else None)
