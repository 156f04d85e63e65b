#!/usr/bin/env python3
"""`caponier top` beside traffic whose rate is known: one case per call.

  test_top.py CASE --bin DIR

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Flow, Lab, LabError, wait_until  # noqa: E402
from test_daemon import Pair, expect  # noqa: E402

RATE, SIZE = 200, 400
HEADERS = 28  # IPv4 and UDP
TOLERANCE = 0.25


def start_flow(lab, pair):
    return Flow(lab, pair.net.client_a, pair.net.client_b, "10.2.0.10", rate=RATE, size=SIZE)


def top(gateway, *arguments, timeout=30):
    done = gateway.cli("top", *arguments, timeout=timeout)
    return [json.loads(line) for line in done.stdout.splitlines()]


def expect_near(value, wanted, what, document):
    expect(abs(value - wanted) <= TOLERANCE * wanted, f"{what} is {value}, not {wanted}: {document}")


def expect_flow(rates, document):
    for direction in ("in", "out"):
        expect_near(rates[f"packets_{direction}_per_second"], RATE, f"packets {direction}", document)
        expect_near(rates[f"bits_{direction}_per_second"], RATE * (SIZE + HEADERS) * 8,
                    f"bits {direction}", document)


# -- cases


def rates(lab, options):
    """Rates are those of the flow, per tunnel and in total, and drops have their names."""
    pair = Pair(lab, options).up()
    quiet = top(pair.a, "--json", "--interval", "200ms", "--count", "1")[0]
    expect(quiet["total"]["packets_in_per_second"] < 10, f"traffic without any: {quiet}")
    flow = start_flow(lab, pair)
    documents = top(pair.a, "--json", "--count", "3")
    expect(len(documents) == 3, f"{len(documents)} documents")
    for document in documents:
        expect_near(document["seconds"], 1, "the interval", document)
        expect(0 < document["cpu_percent"] < 101, f"CPU: {document}")
        expect_flow(document["total"], document)
        expect([tunnel["peer"] for tunnel in document["tunnels"]] == ["office"], document)
        expect_flow(document["tunnels"][0], document)
    # A route that no policy has made leads these into the tunnel device.
    pair.net.gw_a.ip("route", "add", "10.99.0.0/24", "dev", tun_of(pair.net.gw_a))
    pair.net.gw_a.start("strays", ["ping", "-n", "-q", "-i", "0.02", "-W", "1", "10.99.0.1"])
    time.sleep(0.5)
    document = top(pair.a, "--json", "--once")[0]
    reasons = document["drops"]
    expect(document["total"]["drops_per_second"] > 20 and reasons, f"no drops: {document}")
    shown = pair.a.cli("top", "--once").stdout
    expect("\x1b" not in shown and "office" in shown and next(iter(reasons)) in shown, shown)
    flow.finish()


def tun_of(host):
    for line in host.ip("-o", "link").stdout.splitlines():
        if "caponier" in line:
            return line.split(":")[1].strip()
    raise LabError("no tunnel device")


def rekey(lab, options):
    """What SAs carried that are replaced in between is not lost, nor counted twice."""
    pair = Pair(lab, options, extra_a='lifetime = "10s"\n').up()
    flow = start_flow(lab, pair)
    spi = pair.a.status("office")["children"][0]["spi_in"]
    documents = top(pair.a, "--json", "--interval", "2s", "--count", "7")
    expect(pair.a.status("office")["children"][0]["spi_in"] != spi, "no rekey in 14 seconds")
    for document in documents:
        expect_flow(document["tunnels"][0], document)
    expect(flow.finish()["gaps"] == [], "packets were lost")


def restart(lab, options):
    """A daemon that is restarted is waited for; its counters begin at zero."""
    pair = Pair(lab, options).up()
    flow = start_flow(lab, pair)
    time.sleep(2)
    command = [str(pair.a.bin / "caponier"), "--run-dir", str(pair.a.folder / "run"), "top",
               "--json", "--count", "9", "--interval", "500ms"]
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(1.2)
    expect(pair.a.stop() == 0, pair.a.log)
    pair.a.start()
    pair.a.wait_up("office")
    out, said = watcher.communicate(timeout=30)
    expect(watcher.returncode == 0 and "waiting for it" in said, f"{watcher.returncode}: {said}")
    documents = [json.loads(line) for line in out.splitlines()]
    uptimes = [document["uptime_seconds"] for document in documents]
    expect(uptimes != sorted(uptimes), f"no restart seen: {uptimes}")
    for document in documents:
        for name, value in document["total"].items():
            most = RATE * (SIZE + HEADERS) * 8 * 2
            expect(0 <= value <= most, f"{name} is {value}: {document}")
    expect_flow(documents[-1]["total"], documents[-1])
    flow.finish()
    expect(pair.a.stop() == 0, pair.a.log)
    done = pair.a.cli("top", "--once", check=False)
    expect(done.returncode == 6, f"no daemon: exit code {done.returncode}")


def terminal(lab, options):
    """On a terminal: no line too many or too wide, also after a resize, and q and Ctrl-C leave
    everything as it was."""
    pair = Pair(lab, options).up()
    for key in (b"q", b"\x03"):
        screen = Screen([str(pair.a.bin / "caponier"), "--run-dir", str(pair.a.folder / "run"),
                         "top", "--interval", "200ms"], 80, 12)
        wait_until(lambda: b"all tunnels" in screen.read(), 10, "the first rates")
        expect(screen.modes()[3] & termios.ICANON == 0, "keys come line by line")
        screen.resize(20, 4)
        wait_until(lambda: "all tunnels" not in screen.frame(), 5, "the smaller frame")
        lines = screen.frame().split("\n")
        expect(len(lines) <= 4 and all(len(line) <= 20 for line in lines), f"{lines}")
        screen.press(key)
        code = screen.process.wait(5)
        text = screen.read()
        expect(code == 0, f"exit code {code}: {text}")
        expect(text.startswith(b"\x1b[?1049h\x1b[?25l") and text.endswith(b"\x1b[?25h\x1b[?1049l"),
               f"{text[:40]} ... {text[-40:]}")
        expect(screen.modes() == screen.before, "the terminal is not as it was")
        screen.close()


class Screen:
    """A program on a terminal of its own."""

    def __init__(self, command, columns, lines):
        self.ours, self.theirs = pty.openpty()
        self.resize(columns, lines)
        os.set_blocking(self.ours, False)
        self.before, self.text = self.modes(), b""
        take = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); " \
               "os.execv(sys.argv[1], sys.argv[1:])"
        self.process = subprocess.Popen([sys.executable, "-c", take, *command], stdin=self.theirs,
                                        stdout=self.theirs, stderr=self.theirs,
                                        start_new_session=True)

    def modes(self):
        return termios.tcgetattr(self.theirs)

    def resize(self, columns, lines):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, key):
        os.write(self.ours, key)

    def read(self):
        try:
            while chunk := os.read(self.ours, 65536):
                self.text += chunk
        except OSError:
            pass  # nothing more now
        return self.text

    def frame(self):
        """The latest whole one, without its escape codes."""
        whole = self.read().rpartition(b"\x1b[J")[0].rpartition(b"\x1b[H")[2]
        return whole.replace(b"\x1b[K", b"").replace(b"\r", b"").decode()

    def close(self):
        os.close(self.ours)
        os.close(self.theirs)


CASES = [rates, rekey, restart, terminal]


def main():
    cases = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=cases)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capt") as lab:
        try:
            code = cases[options.case](lab, options) or 0
        except LabError as error:
            print(error)
            return 1
    print("passed" if code == 0 else "")
    return code


if __name__ == "__main__":
    sys.exit(main())
