#!/usr/bin/env python3
"""What super-packets must not change, and that they are used: one case per call.

  test_speed.py CASE --bin DIR
"""
import argparse
import itertools
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Caponier, Lab, LabError, TwoGateways, wait_until  # noqa: E402

TOOLS = Path(__file__).resolve().parent.parent.parent / "tools"
PYTHON = "/usr/bin/python3"
PSK = "9cQ2vXn5RkTz8LwYbHf3MjPd6GsAe1Uo"
ADDRESS_A = {4: "10.1.0.10", 6: "fd01::10"}
ADDRESS_B = {4: "10.2.0.10", 6: "fd02::10"}


def expect(condition, message):
    if not condition:
        raise LabError(message)


class Pair:
    """Two gateways with one tunnel for both families."""

    def __init__(self, lab, options, extra="", daemon="", extra_b=""):
        self.lab, self.net, self.numbers = lab, TwoGateways(lab), itertools.count()
        net = self.net
        for host, address in ((net.client_a, "fd01::10/64"), (net.gw_a, "fd01::1/64"),
                              (net.gw_b, "fd02::1/64"), (net.client_b, "fd02::10/64")):
            host.ip("addr", "add", address, "dev", "eth0")
        net.client_a.ip("-6", "route", "add", "default", "via", "fd01::1")
        net.client_b.ip("-6", "route", "add", "default", "via", "fd02::1")
        nets_a, nets_b = (f'"10.{i}.0.0/24", "fd0{i}::/64"' for i in (1, 2))
        self.a, self.b = (
            Caponier(lab, host, f'{daemon}[site.office]\nremote = "{there}"\npsk = "@office"\n'
                     f"local_nets = [{near}]\nremote_nets = [{far}]\n{more}{extra}",
                     {"office": PSK}, options.bin).start()
            for host, there, near, far, more in ((net.gw_b, net.OUTER_A, nets_b, nets_a, extra_b),
                                                 (net.gw_a, net.OUTER_B, nets_a, nets_b, "")))
        self.a, self.b = self.b, self.a
        for gateway in (self.a, self.b):
            gateway.wait_up("office")

    def transfer(self, family, mebibytes, back=False, port=5001):
        """One TCP stream from A to B, or back, compared by its hash."""
        net = self.net
        sender, receiver = (net.client_a, net.client_b)[::-1 if back else 1]
        address = (ADDRESS_A if back else ADDRESS_B)[family]
        log = self.lab.folder / f"transfer-{next(self.numbers)}.log"
        serving = receiver.start("receiver", [PYTHON, f"{TOOLS}/transfer.py", "serve", address,
                                              str(port)], log)
        # A sender that moves to another CPU lets the kernel's queues reorder what it sends.
        sent = sender.run("taskset", "-c", "0", PYTHON, f"{TOOLS}/transfer.py", "send", address,
                          str(port), str(mebibytes), timeout=120).stdout.split()
        serving.wait(10)
        got = log.read_text().split()
        expect(got == sent[:2], f"sent {sent}, received {got}")

    def packets(self):
        """Of gateway A's tunnel, both ways."""
        children = self.a.status("office")["children"]
        return sum(child["packets_in"] + child["packets_out"] for child in children)

    def expect_no_drops(self):
        for gateway in (self.a, self.b):
            # The host's own multicast is no traffic of ours.
            lost = {name: count for name, count in gateway.status()["drops"].items()
                    if count and name != "clear_no_policy"}
            expect(not lost, f"{gateway.host.name} dropped {lost}")


def kernel_counters(host):
    """TCP's counters of a namespace."""
    text = host.run("cat", "/proc/net/netstat", "/proc/net/snmp").stdout
    counters = {}
    lines = text.splitlines()
    for names, values in zip(lines, lines[1:]):
        if names.split(":")[0] == values.split(":")[0] and values.split()[1].lstrip("-").isdigit():
            counters.update(zip(names.split()[1:], map(int, values.split()[1:])))
    return counters


def expect_in_order(pair, work):
    """`work` is repeated where the kernel lost segments, as it does where its queues overflow on a busy
    machine: what is sent again comes late without having been overtaken."""
    clients = (pair.net.client_a, pair.net.client_b)
    for _ in range(6):
        before = [kernel_counters(client) for client in clients]
        work()
        after = [kernel_counters(client) for client in clients]
        grown = {name: sum(new[name] - old[name] for old, new in zip(before, after))
                 for name in ("TCPOFOQueue", "InCsumErrors", "RetransSegs")}
        expect(not grown["InCsumErrors"], f"{grown['InCsumErrors']} bad checksums")
        if not grown["TCPOFOQueue"]:
            return
        expect(grown["RetransSegs"], f"{grown['TCPOFOQueue']} segments out of order")
    raise LabError(f"segments were out of order, and some sent again, each time: {grown}")


def order(family):
    def case(lab, options):
        """A TCP stream arrives complete, with good checksums, and in order."""
        pair = Pair(lab, options, 'encap = "always"\n[daemon]\npin_workers = true\n')
        expect_in_order(pair, lambda: pair.transfer(family, 128))
        pair.expect_no_drops()
    case.__name__ = f"order_v{family}"
    return case


def system_calls(lab, options):
    """Bulk traffic needs far fewer system calls than packets."""
    pair = Pair(lab, options, 'encap = "always"\n')
    traces = []
    for gateway in (pair.a, pair.b):
        log = lab.folder / f"strace-{gateway.host.name}"
        process = gateway.host.start(f"strace-{gateway.host.name}", [
            "strace", "-f", "-c", "-o", str(log), "-p", str(gateway.process.pid)])
        traces.append((process, log))
    wait_until(lambda: all("attached" in (lab.folder / f"strace-{gateway.host.name}.log").read_text()
                           for gateway in (pair.a, pair.b)), 10, "strace")
    before = pair.packets()
    pair.transfer(4, 128)
    packets = pair.packets() - before
    expect(packets > 90_000, f"only {packets} packets")
    for process, log in traces:
        lab.stop(process, how=2)
        calls = {match[2]: int(match[1]) for match in re.finditer(
            r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", log.read_text(), re.M)}
        calls.pop("total", None)
        share = sum(calls.values()) / packets
        print(f"{share:.3f} system calls per packet: {calls}")
        expect(share < 0.5, f"{share:.3f} system calls per packet: {calls}")


RECEIVE = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
s.bind((sys.argv[1], 7011))
print("ready", flush=True)
s.settimeout(10)
for _ in range(int(sys.argv[2])):
    data = s.recv(65535)
    print(int.from_bytes(data[:4], "big"), len(data), int(data[4:] == bytes([data[3]]) * (len(data) - 4)))
"""
SEND = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
number = 0
for size, count in ((1000, 40), (200, 50), (1300, 30), (50, 60)):
    s.setsockopt(17, 103, size)  # UDP_SEGMENT
    data = b""
    for i in range(count):
        length = size if i + 1 < count else size // 2 + 8
        data += number.to_bytes(4, "big") + bytes([number & 255]) * (length - 4)
        number += 1
    s.sendto(data, (sys.argv[1], 7011))
"""


def datagrams(family):
    def case(lab, options):
        """Datagrams that the sender's kernel left merged arrive one by one, whole and in order."""
        pair = Pair(lab, options, 'encap = "always"\n')
        expected = []
        for size, count in ((1000, 40), (200, 50), (1300, 30), (50, 60)):
            for i in range(count):
                length = size if i + 1 < count else size // 2 + 8
                expected.append([str(len(expected)), str(length), "1"])
        log = lab.folder / "datagrams.log"
        receiver = pair.net.client_b.start("receiver", [PYTHON, "-c", RECEIVE, ADDRESS_B[family],
                                                        str(len(expected))], log)
        wait_until(lambda: "ready" in log.read_text(), 10, "the receiver")
        before = pair.packets()
        pair.net.client_a.run(PYTHON, "-c", SEND, ADDRESS_B[family])
        receiver.wait(15)
        got = [line.split() for line in log.read_text().splitlines()[1:]]
        expect(got == expected, f"{len(got)} of {len(expected)}: {got}")
        expect(pair.packets() - before >= len(expected), "they did not pass the tunnel")
        pair.expect_no_drops()
    case.__name__ = f"datagrams_v{family}"
    return case


SINK = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 7012))
print("ready", flush=True)
while True:
    s.recv(65535)
"""
FLOWS = """
import socket, sys
for port in range(20000, 20064):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("", port))
        s.sendto(b"flow", (sys.argv[1], 7012))
"""


def per_cpu_sas(lab, options):
    """Besides the first SA each of two workers has one (RFC 9611), and sends and receives on it."""
    # One IKE SA, and at first one end that asks: what crosses may be more than is needed.
    pair = Pair(lab, options, 'encap = "always"\nper_cpu_sas = true\n',
                daemon="[daemon]\nworkers = 2\n", extra_b='start = "trap"\n')
    net = pair.net
    net.client_b.start("sink", [PYTHON, "-c", SINK], lab.folder / "sink.log")
    wait_until(lambda: "ready" in (lab.folder / "sink.log").read_text(), 10, "the sink")

    def flows(back=True):
        net.client_a.run(PYTHON, "-c", FLOWS, "10.2.0.10")
        if back:
            net.client_b.run(PYTHON, "-c", FLOWS, "10.1.0.10")

    def children():
        """Of each gateway by worker, once there are as many as there shall be."""
        every = [gateway.status("office")["children"] for gateway in (pair.a, pair.b)]
        by_worker = [{child.get("worker"): child for child in of_one} for of_one in every]
        has_each = all(set(found) == {None, 0, 1} and len(of_one) == 3
                       for found, of_one in zip(by_worker, every))
        return by_worker if has_each else None

    def uses_own():
        """Flows both ways: the SAs of the workers carry them, and the first one nothing."""
        before = children()
        flows()
        after = children()
        if not before or not after:
            return False
        for then, now in zip(before, after):
            for worker in now:
                for count in ("packets_in", "packets_out"):
                    if (now[worker][count] > then[worker][count]) != (worker is not None):
                        return False
        return True

    wait_until(lambda: flows(back=False) or children(), 20, "three SAs on both gateways")
    # Whoever answered sends on an SA once it has heard the other end on it.
    wait_until(uses_own, 20, "each worker to use its own")
    pair.transfer(4, 64)
    expect(children(), "three SAs are enough")
    for gateway in (pair.a, pair.b):
        print(gateway.cli("status", "office").stdout)
    pair.expect_no_drops()


CASES = [order(4), order(6), system_calls, datagrams(4), datagrams(6), per_cpu_sas]


def main():
    cases = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=cases)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("caps") as lab:
        try:
            code = cases[options.case](lab, options) or 0
        except LabError as error:
            print(error)
            code = 1
    print("passed" if code == 0 else "failed")
    return code


if __name__ == "__main__":
    sys.exit(main())
