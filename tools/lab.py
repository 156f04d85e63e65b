"""Network namespaces, links, NAT and processes for the demo and the interop tests.

Everything a Lab makes carries its own prefix and is taken away again by close(), also on Ctrl-C
and SIGTERM. Processes run inside their namespace and are ended by pid. No packet leaves the
namespaces.

The topology of two_gateways():

    client-a --- gw-a --- [nat] --- net --- gw-b --- client-b
    10.1.0.10    203.0.113.1        .254    198.51.100.1     10.2.0.10

With a NAT, gw-a has 192.168.7.2 and the NAT owns 203.0.113.1. A second uplink of gw-a, 192.0.2.1,
goes straight to net.
"""
import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


LOSS = "numgen random mod 100 < {percent} counter drop"


class LabError(Exception):
    """What went wrong, with the output that tells why."""


def run(command, check=True, timeout=60, text_input=None):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                          input=text_input)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(command)} ended with {done.returncode}:\n"
                       f"{done.stdout}{done.stderr}")
    return done


class Host:
    """One namespace."""

    def __init__(self, lab, name):
        self.lab, self.name, self.netns = lab, name, f"{lab.prefix}-{name}"
        run(["ip", "netns", "add", self.netns])
        lab.hosts.append(self)
        self.ip("link", "set", "lo", "up")
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)

    def ip(self, *arguments):
        return run(["ip", "-n", self.netns, *arguments])

    def sysctl(self, key, value):
        self.run("sysctl", "-qw", f"{key}={value}", check=False)

    def forward(self):
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)

    def filter(self, *rules):
        """Replaces what this host does to packets it sends, receives or forwards, by nft rules such
        as "udp dport 4500 drop" or LOSS.format(percent=20). Without rules: nothing."""
        chains = "".join(f"chain {hook} {{ type filter hook {hook} priority -200;\n"
                         + "".join(f"{rule}\n" for rule in rules) + "}\n"
                         for hook in ("input", "forward", "output")) if rules else ""
        self.run("nft", "-f", "-", text_input=f"""
            table inet lab
            delete table inet lab
            table inet lab {{
              {chains}
            }}""")

    def dropped(self):
        """How many packets the rules of filter() with a counter have met."""
        return sum(map(int, re.findall(r"counter packets (\d+)",
                                       self.run("nft", "list", "table", "inet", "lab").stdout)))

    def run(self, *command, check=True, timeout=60, text_input=None):
        return run(["ip", "netns", "exec", self.netns, *command], check, timeout, text_input)

    def start(self, name, command, log=None, env=None):
        """Starts a process here; its output goes to the lab's folder as NAME.log."""
        path = Path(log) if log else self.lab.folder / f"{name}.log"
        with open(path, "ab") as out:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.netns, *command], stdout=out, stderr=out,
                stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, **(env or {})})
        self.lab.processes.append((name, process))
        return process


class Lab:
    def __init__(self, tag="cap"):
        if os.geteuid() != 0:
            raise LabError("network namespaces need root")
        self.prefix = f"{tag}{os.getpid()}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.prefix}-"))
        self.hosts, self.processes = [], []
        self._links = 0
        self._closed = False
        atexit.register(self.close)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupted)

    @staticmethod
    def _interrupted(number, _frame):
        print("\ninterrupted; cleaning up", file=sys.stderr)
        sys.exit(128 + number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def host(self, name):
        return Host(self, name)

    def link(self, a, address_a, b, address_b, mtu=1500, queues=1):
        """A veth pair between two hosts; addresses as "10.1.0.1/24" or a list of them."""
        self._links += 1
        names = [f"{self.prefix[-9:]}l{self._links}{side}" for side in "ab"]
        each = ["numtxqueues", str(queues), "numrxqueues", str(queues)]
        run(["ip", "link", "add", names[0], *each, "type", "veth", "peer", "name", names[1], *each])
        ends = []
        for host, name, address in ((a, names[0], address_a), (b, names[1], address_b)):
            final = f"eth{sum(1 for _ in host.ip('-o', 'link').stdout.splitlines()) - 1}"
            run(["ip", "link", "set", name, "netns", host.netns, "name", final])
            for one in [address] if isinstance(address, str) else address:
                host.ip("addr", "add", one, "dev", final)
            host.ip("link", "set", final, "mtu", str(mtu), "up")
            ends.append(final)
        return ends

    def stop(self, process, how=signal.SIGTERM, timeout=10):
        """Ends one process by its pid and returns its exit code."""
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        return process.returncode

    def close(self):
        if self._closed:
            return
        self._closed = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for _, process in reversed(self.processes):
            self.stop(process, timeout=5)
        for host in self.hosts:
            pids = run(["ip", "netns", "pids", host.netns], check=False).stdout.split()
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            run(["ip", "netns", "del", host.netns], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)


def wait_until(condition, timeout, what):
    """Polls `condition` and returns its first true value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"waited {timeout:.0f} s in vain for {what}")
        time.sleep(0.05)


class TwoGateways:
    """The topology drawn at the top of this file."""

    OUTER_A, OUTER_B = "203.0.113.1", "198.51.100.1"

    def __init__(self, lab, nat=False, with_b=True):
        self.lab, self.has_nat = lab, nat
        self.client_a, self.gw_a = lab.host("client-a"), lab.host("gw-a")
        self.net = lab.host("net")
        lab.link(self.client_a, "10.1.0.10/24", self.gw_a, "10.1.0.1/24")
        self.client_a.ip("route", "add", "default", "via", "10.1.0.1")
        self.nat = lab.host("nat") if nat else None
        if nat:
            lab.link(self.gw_a, "192.168.7.2/24", self.nat, "192.168.7.1/24")
            lab.link(self.nat, f"{self.OUTER_A}/24", self.net, "203.0.113.254/24")
            self.gw_a.ip("route", "add", "default", "via", "192.168.7.1")
            self.nat.ip("route", "add", "default", "via", "203.0.113.254")
            self.nat.forward()
            self.map_ports(20000)
        else:
            lab.link(self.gw_a, f"{self.OUTER_A}/24", self.net, "203.0.113.254/24")
            self.gw_a.ip("route", "add", "default", "via", "203.0.113.254")
        self.gw_a.forward()
        self.net.forward()
        if with_b:
            self._side_b(lab)

    def _side_b(self, lab):
        self.gw_b, self.client_b = lab.host("gw-b"), lab.host("client-b")
        lab.link(self.client_b, "10.2.0.10/24", self.gw_b, "10.2.0.1/24")
        self.client_b.ip("route", "add", "default", "via", "10.2.0.1")
        _, self.net_side_b = lab.link(self.gw_b, f"{self.OUTER_B}/24",
                                      self.net, "198.51.100.254/24")
        self.gw_b.ip("route", "add", "default", "via", "198.51.100.254")
        self.gw_b.forward()

    # A second way out for gw-a, for addresses that change.
    SECOND_A, SECOND_GATEWAY = "192.0.2.1", "192.0.2.254"

    def add_second_uplink(self):
        """Another link of gw-a to the middle, not yet used."""
        self.second_device, _ = self.lab.link(self.gw_a, f"{self.SECOND_A}/24",
                                              self.net, f"{self.SECOND_GATEWAY}/24")

    def use_second_uplink(self):
        """gw-a loses its first address and goes by the second uplink, as a laptop does that changes
        from cable to radio. First the new, then the old: there is always a route."""
        self.gw_a.ip("route", "replace", "default", "via", self.SECOND_GATEWAY)
        self.gw_a.ip("addr", "del", f"{self.outer_a}/24", "dev", "eth1")

    def use_first_uplink(self):
        self.gw_a.ip("addr", "add", f"{self.outer_a}/24", "dev", "eth1")
        via = "192.168.7.1" if self.has_nat else "203.0.113.254"
        self.gw_a.ip("route", "replace", "default", "via", via)
        self.gw_a.ip("addr", "del", f"{self.SECOND_A}/24", "dev", self.second_device)

    @property
    def outer_a(self):
        return "192.168.7.2" if self.has_nat else self.OUTER_A

    def map_ports(self, first):
        """(Re)writes the NAT: source ports from `first` on. Old mappings are forgotten."""
        self.nat.run("nft", "-f", "-", text_input=f"""
            table ip nat
            delete table ip nat
            table ip nat {{
              chain post {{
                type nat hook postrouting priority srcnat;
                oifname "eth1" meta l4proto {{ tcp, udp }} snat to {self.OUTER_A}:{first}-{first + 999}
                oifname "eth1" snat to {self.OUTER_A}
              }}
            }}""")
        self.nat.run("conntrack", "-F", check=False)


def capture(host, device, path):
    """Starts tcpdump and returns its process once it listens; `finish_capture` ends it."""
    process = host.start("tcpdump", ["tcpdump", "-U", "-Z", "root", "--immediate-mode", "-B", "8192",
                                     "-i", device, "-w", str(path)])
    wait_until(lambda: path.exists() and path.stat().st_size > 0, 10, "tcpdump to listen")
    return process


def finish_capture(lab, process):
    time.sleep(0.2)
    lab.stop(process)


class Caponier:
    """One caponierd on a host, and its command line."""

    def __init__(self, lab, host, config, secrets, binaries, wrapper=()):
        self.lab, self.host, self.bin = lab, host, Path(binaries).resolve()
        self.folder = lab.folder / host.name
        secrets_folder = self.folder / "secrets"
        secrets_folder.mkdir(mode=0o700, parents=True)
        (self.folder / "state").mkdir()
        self.config = self.folder / "caponier.toml"
        self.config.write_text(config)
        for name, value in secrets.items():
            path = secrets_folder / name
            path.write_text(value + "\n")
            path.chmod(0o600)
        self.wrapper = list(wrapper)
        self.process = None

    @property
    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, source=None):
        """`source`: options that say where the configuration is, instead of --config."""
        self.process = self.host.start(
            f"caponierd-{self.host.name}",
            [*self.wrapper, str(self.bin / "caponierd"),
             *(source or ["--config", str(self.config)]), "--run-dir", str(self.folder / "run"),
             "--state-dir", str(self.folder / "state"), "--foreground"],
            log=self.folder / "log")
        wait_until(lambda: self.process.poll() is not None
                   or self.cli("status", check=False).returncode != 6, 20,
                   f"caponierd on {self.host.name} to answer")
        if self.process.poll() is not None:
            raise LabError(f"caponierd on {self.host.name} ended with "
                           f"{self.process.returncode}:\n{self.log}")
        return self

    def cli(self, *arguments, check=True, timeout=30):
        return self.host.run(str(self.bin / "caponier"), "--run-dir", str(self.folder / "run"),
                             *arguments, check=check, timeout=timeout)

    def status(self, name=None):
        """The status document; with a name, that peer's part."""
        text = self.cli("status", "--json", check=False).stdout
        try:
            document = json.loads(text)
            peers = document["peers"]
        except (json.JSONDecodeError, KeyError) as error:
            raise LabError(f"no status from {self.host.name}: {text!r}\n{self.log}") from error
        if name is None:
            return document
        return next((peer for peer in peers if peer["name"] == name), None)

    def wait_up(self, name, timeout=20):
        def negotiated():
            peer = self.status(name)
            return peer if peer and peer["children"] else None
        try:
            return wait_until(negotiated, timeout, f"{name} on {self.host.name} to come up")
        except LabError as error:
            raise LabError(f"{error}\n{self.log}") from None

    def stop(self, how=signal.SIGTERM):
        return self.lab.stop(self.process, how)


def ping(host, address, count=3, interval=0.05, size=None):
    """(received, average rtt in ms)."""
    command = ["ping", "-n", "-q", "-c", str(count), "-i", str(interval), "-W", "2"]
    if size:
        command += ["-s", str(size), "-M", "do"]
    text = host.run(*command, address, check=False).stdout
    received, average = 0, None
    for line in text.splitlines():
        if "packets transmitted" in line:
            received = int(line.split(",")[1].split()[0])
        if line.startswith("rtt"):
            average = float(line.split("=")[1].split("/")[1])
    return received, average


class Flow:
    """Numbered UDP packets from one host to another and back, by tools/flow.py; both directions
    count. `finish()` returns what it printed."""

    SCRIPT = str(Path(__file__).resolve().parent / "flow.py")

    def __init__(self, lab, sender, receiver, address, rate=200, size=200, port=7007):
        self.lab = lab
        self.log = lab.folder / f"flow-{sender.name}-{port}.json"
        echo_log = lab.folder / f"echo-{receiver.name}-{port}.log"
        self.echo = receiver.start("flow-echo", ["/usr/bin/python3", self.SCRIPT, "echo", address,
                                                 str(port)], echo_log)
        wait_until(lambda: echo_log.exists() and "ready" in echo_log.read_text(), 10, "the echo")
        self.sender = sender.start("flow-send", ["/usr/bin/python3", self.SCRIPT, "send", address,
                                                 str(port), str(rate), str(size)], self.log)

    def finish(self):
        self.lab.stop(self.sender)
        self.lab.stop(self.echo)
        return json.loads(self.log.read_text())
