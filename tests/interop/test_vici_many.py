#!/usr/bin/env python3
"""Thousands of connections: Debian's swanctl loads them into a caponierd without a configuration of
its own, their tunnels come up, and while clients poll and other tunnels come and go, a list of all
SAs is still there at once.

  test_vici_many.py --bin DIR [--count N]

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import shutil
import statistics
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Caponier, Lab, LabError, TwoGateways  # noqa: E402
from strongswan import PSK  # noqa: E402
from vici import Session, ViciError  # noqa: E402
from vici_pair import Ours, expect  # noqa: E402

CONNECTION = """
  t{number} {{
    version = 2
    local_addrs = {local}
    remote_addrs = {remote}
    proposals = aes128gcm16-prfsha256-x25519
    local {{
      auth = psk
      id = a{number}.example
    }}
    remote {{
      auth = psk
      id = b{number}.example
    }}
    children {{
      t{number} {{
        local_ts = {local_ts}
        remote_ts = {remote_ts}
        esp_proposals = aes128gcm16
        start_action = {start}
      }}
    }}
  }}
"""
SITE = """
[site.t{number}]
remote = "{remote}"
psk = "@net"
local_id = "b{number}.example"
remote_id = "a{number}.example"
local_nets = ["{local_ts}"]
remote_nets = ["{remote_ts}"]
start = false
"""
ANSWER = b"\0\0\0\1\1"  # to list-sas: an empty message, behind all events
HANDSHAKES = 110  # a second
GOERS = 20  # clients that do so
GOING = 40  # tunnels that come and go, beside those that stay


def nets(number):
    return (f"10.{100 + number // 256}.{number % 256}.0/24",
            f"10.{200 + number // 256}.{number % 256}.0/24")


class Poller(threading.Thread):
    """Asks for all SAs again and again. What comes is only counted: fifty of these in one Python
    must not be what the daemon waits for."""

    def __init__(self, path, pause):
        super().__init__(daemon=True)
        self.path, self.pause, self.done, self.longest = path, pause, 0, 0.0
        self.octets, self.is_over, self.failure = 0, False, None

    def run(self):
        try:
            session = Session(self.path, timeout=60)
            session.register("list-sa")
            while not self.is_over:
                begin = time.monotonic()
                session.send(0, "list-sas")
                tail = b""
                while tail != ANSWER:
                    data = session.socket.recv(1 << 20)
                    if not data:
                        raise EOFError("the daemon has closed")
                    self.octets += len(data)
                    tail = (tail + data[-5:])[-5:]
                self.longest = max(self.longest, time.monotonic() - begin)
                self.done += 1
                time.sleep(self.pause)
            session.close()
        except (OSError, EOFError, ViciError) as error:
            self.failure = error


class Goer(threading.Thread):
    """Brings tunnels up and down by turns, so many a second."""

    def __init__(self, path, numbers, rate):
        super().__init__(daemon=True)
        self.path, self.numbers, self.pause = path, numbers, 1 / rate
        self.done, self.failure, self.is_over = 0, None, False

    def run(self):
        try:
            session = Session(self.path, timeout=60)
            next_at = time.monotonic()
            while not self.is_over:
                name = f"t{self.numbers[self.done % len(self.numbers)]}"
                for command, arguments in (("initiate", {"child": name}), ("terminate", {"ike": name})):
                    said = session.request(command, timeout=20000, **arguments)
                    expect(said["success"] == "yes", f"{command} {name}: {said}")
                self.done += 1
                next_at = max(next_at + self.pause, time.monotonic() - 0.5)
                time.sleep(max(0.0, next_at - time.monotonic()))
            session.close()
        except (LabError, OSError, EOFError, ViciError) as error:
            self.failure = error


class Many:
    def __init__(self, lab, options):
        self.lab, self.count = lab, options.count
        self.net = TwoGateways(lab)
        self.b = Caponier(lab, self.net.gw_b, self.sites(), {"net": PSK}, options.bin).start()
        self.a = Ours(lab, self.net.gw_a, options.bin)

    def sites(self):
        text = ""
        for number in range(self.count + GOING):
            theirs, ours = nets(number)
            text += SITE.format(number=number, remote=self.net.OUTER_A, local_ts=ours,
                                remote_ts=theirs)
        return text

    def conf(self):
        text = ""
        for number in range(self.count + GOING):
            ours, theirs = nets(number)
            text += CONNECTION.format(
                number=number, local=self.net.OUTER_A, remote=self.net.OUTER_B, local_ts=ours,
                remote_ts=theirs, start="start" if number < self.count else "none")
        return f'connections {{{text}}}\nsecrets {{\n  ike-all {{\n    secret = "{PSK}"\n  }}\n}}\n'

    def load(self):
        (self.a.etc / "swanctl.conf").write_text(self.conf())
        begin = time.monotonic()
        said = self.a.swanctl("--load-all", "--noprompt", timeout=240)
        expect(f"successfully loaded {self.count + GOING} connections" in said, said[-2000:])
        print(f"swanctl --load-all of {self.count + GOING} connections: "
              f"{time.monotonic() - begin:.1f} s")

    def wait_up(self):
        begin = time.monotonic()
        session = Session(self.a.path, timeout=60)

        def up():
            return int(session.request("stats")["ikesas"]["total"])

        while up() < self.count or sum(len(next(iter(sa.values()))["child-sas"])
                                       for sa in session.sas()) < self.count:
            expect(time.monotonic() - begin < 200, f"{up()} of {self.count} are up\n"
                   f"{self.a.log[-2000:]}")
            time.sleep(0.5)
        session.close()
        print(f"{self.count} SAs up {time.monotonic() - begin:.1f} s later")

    def lists(self, times):
        """How long `swanctl --list-sas` takes, and that nobody is missing."""
        taken = []
        for _ in range(times):
            begin = time.monotonic()
            said = self.a.swanctl("--list-sas")
            taken.append(time.monotonic() - begin)
            expect(said.count("INSTALLED") >= self.count,
                   f"{said.count('INSTALLED')} of {self.count}")
            time.sleep(0.2)
        return taken


def spread(times):
    return (f"{statistics.median(times):.2f} s ({min(times):.2f}..{max(times):.2f}, "
            f"{len(times)} times)")


def finish(threads):
    for thread in threads:
        thread.is_over = True
    for thread in threads:
        thread.join(60)
        expect(thread.failure is None, f"{type(thread).__name__}: {thread.failure}")
        expect(thread.done > 0, f"{type(thread).__name__}: was never answered")


def run(lab, options):
    many = Many(lab, options)
    many.load()
    many.wait_up()
    print(f"swanctl --list-sas alone: {spread(many.lists(5))}")
    pollers = [Poller(many.a.path, 1.0) for _ in range(50)]
    share = GOING // GOERS
    goers = [Goer(many.a.path, range(options.count + i * share, options.count + (i + 1) * share),
                  HANDSHAKES / GOERS) for i in range(GOERS)]
    begin = time.monotonic()
    for thread in [*pollers, *goers]:
        thread.start()
    taken = many.lists(20)
    lasted = time.monotonic() - begin
    made = sum(goer.done for goer in goers)
    finish([*pollers, *goers])
    print(f"swanctl --list-sas beside 50 clients and {made / lasted:.0f} handshakes a second: "
          f"{spread(taken)}")
    print(f"the 50 clients: {sum(one.done for one in pollers) / lasted:.0f} lists a second, none "
          f"waited longer than {max(one.longest for one in pollers):.2f} s")
    expect(statistics.median(taken) < 1.0, f"a list takes too long: {taken}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    if not shutil.which("swanctl"):
        print("skipped: no swanctl")
        return 77
    with Lab("capn") as lab:
        try:
            run(lab, options)
        except (LabError, ViciError) as error:
            print(error)
            return 1
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
