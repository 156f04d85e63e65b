#!/usr/bin/env python3
"""Full rate for minutes while keys are renewed every few seconds: no TCP stream may end, no octet be
wrong, no packet be refused, and no memory be kept.

  endurance.py --bin BUILD/bin [--minutes M] [--lifetime DURATION]

Two streams, one in each direction, over one tunnel between two Caponiers. Exit code 1 when one of
these does not hold."""
import argparse
import re
import subprocess
import sys
import time

from peers import CLIENT_A, CLIENT_B, TOP, Ours  # also sets the path of lab
from lab import Lab, LabError, run

PYTHON = "/usr/bin/python3"
TRANSFER = str(TOP / "tools" / "transfer.py")
# What the peer or the network could do to a packet; a full queue only costs speed.
NEVER = ("esp_replay", "esp_bad_icv", "esp_unknown_spi", "esp_selector", "esp_malformed",
         "esp_expired", "clear_no_sa", "clear_expired", "clear_seal_failed", "clear_policy_discard")
# Buffers and the allocator's reserve settle in the first minute.
GROWTH_MAX_KIB = 8192


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


class Stream:
    def __init__(self, lab, sender, receiver, address, port, seconds):
        self.name = f"{sender.name} to {receiver.name}"
        self.taken, self.given = (lab.folder / f"{what}-{port}" for what in ("taken", "given"))
        self.receiver = receiver.start(f"receiver-{port}", [PYTHON, TRANSFER, "serve", address,
                                                            str(port)], self.taken)
        self.sender = sender.start(f"sender-{port}", [PYTHON, TRANSFER, "send", address, str(port),
                                                      "0", str(seconds)], self.given)

    def end(self):
        """Octets; fails when the stream broke or its hash was wrong."""
        for process in (self.sender, self.receiver):
            process.wait(60)
        taken, given = self.taken.read_text().split(), self.given.read_text().split()
        if len(taken) != 2 or taken != given[:2]:
            raise LabError(f"{self.name}: sent {given}, received {taken}")
        return int(taken[0])


class Tunnel(Ours):
    """Renews its keys every few seconds."""

    def extra(self):
        return f'lifetime = "{self.options.lifetime}"\n'


def rekeys(tunnel):
    return sum(len(re.findall(r"Child SA .* is rekeyed", daemon.log)) for daemon in tunnel.daemons)


def look_at(daemon):
    """What an operator does meanwhile must not disturb."""
    daemon.status()
    daemon.cli("top", "--once")
    daemon.cli("debug", "trace", "--sample", "1000", "--count", "5")
    daemon.cli("ping", "peer")


def watch(tunnel, minutes):
    """RSS of both daemons at the end of the first minute and of the last."""
    pids, first, start = tunnel.gateway_pids(), None, time.monotonic()
    for minute in range(1, minutes + 1):
        while time.monotonic() < start + 60 * minute:
            for daemon in tunnel.daemons:
                look_at(daemon)
            time.sleep(5)
        now = [resident_kib(pid) for pid in pids]
        first = first or now
        print(f"{minute} min: RSS {' and '.join(f'{kib / 1024:.1f}' for kib in now)} MiB", flush=True)
    return first, now


def check(tunnel, first, last):
    faults = []
    for before, after in zip(first, last):
        if after - before > GROWTH_MAX_KIB:
            faults.append(f"RSS grew from {before} to {after} KiB")
    for daemon in tunnel.daemons:
        drops = daemon.status()["drops"]
        print(f"{daemon.host.name} dropped {drops or 'nothing'}")
        faults += [f"{daemon.host.name}: {reason} {drops[reason]}" for reason in NEVER
                   if drops.get(reason)]
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--lifetime", default="10s")
    options = parser.parse_args()
    Lab.run_quiet = staticmethod(lambda command: run(command, check=False).stdout)
    with Lab("cape") as lab:
        try:
            tunnel = Tunnel(lab, options)
            seconds = 60 * options.minutes + 5
            streams = [Stream(lab, tunnel.client_a, tunnel.client_b, CLIENT_B, 5001, seconds),
                       Stream(lab, tunnel.client_b, tunnel.client_a, CLIENT_A, 5002, seconds)]
            first, last = watch(tunnel, options.minutes)
            for stream in streams:
                octets = stream.end()
                print(f"{stream.name}: {octets / 1e9:.1f} GB, its hash is right, "
                      f"{8e-9 * octets / seconds:.2f} Gbit/s")
            print(f"keys were renewed {rekeys(tunnel)} times, both sides counted")
            faults = check(tunnel, first, last)
        except (LabError, subprocess.TimeoutExpired) as error:
            faults = [str(error)]
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
