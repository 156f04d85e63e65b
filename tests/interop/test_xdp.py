#!/usr/bin/env python3
"""The outer side by XDP sockets: what they carry, what they leave to sockets, and what they leave
behind. One case per call.

  test_xdp.py CASE --bin DIR
"""
import argparse
import itertools
import os
import signal
import sys
import threading
import time

from test_daemon import PSK
from test_host import OUTER6_A, OUTER6_B, add_ipv6
from test_speed import ADDRESS_B, PYTHON, RECEIVE, SEND, Pair, expect, expect_in_order
from lab import (Caponier, Lab, LabError, TwoGateways, capture, finish_capture, ping, run,
                 wait_until)

XDP = 'outer_side = "xdp"\nouter_interfaces = ["eth1"]\n'
# What of ours passes the kernel's own way: ESP, and UDP that is not IKE.
ON_SOCKETS = ("meta l4proto esp counter", "udp dport 4500 @th,64,32 != 0 counter",
              "udp sport 4500 @th,64,32 != 0 counter")


class XdpPair(Pair):
    """Two gateways with one tunnel for both families inside, over either outside."""

    def __init__(self, lab, options, encap="native", outer=4, daemon=XDP, workers=1, extra="",
                 nat=False, prepare=lambda net: None):
        self.lab, self.net, self.numbers = lab, TwoGateways(lab, nat), itertools.count()
        if not nat:
            add_ipv6(self.net)
        prepare(self.net)
        a, b = (TwoGateways.OUTER_A, TwoGateways.OUTER_B) if outer == 4 else (OUTER6_A, OUTER6_B)
        nets_a, nets_b = (f'"10.{i}.0.0/24"' + ("" if nat else f', "fd0{i}::/64"') for i in (1, 2))
        # Only A begins: of two tunnels one would go, and with it what is on its way.
        self.b, self.a = (
            Caponier(lab, host, f"[daemon]\nworkers = {workers}\npin_workers = true\n{daemon}"
                     f'[site.office]\nremote = "{there}"\npsk = "@office"\nencap = "{encap}"\n'
                     f"local_nets = [{near}]\nremote_nets = [{far}]\n{start}{extra}",
                     {"office": PSK}, options.bin).start()
            for host, there, near, far, start in (
                (self.net.gw_b, "any" if nat else a, nets_b, nets_a,
                 "" if nat else "start = false\n"),
                (self.net.gw_a, b, nets_a, nets_b, "")))
        for gateway in (self.a, self.b):
            gateway.wait_up("office")
            gateway.host.filter(*ON_SOCKETS)

    def warm(self, families=(4, 6)):
        """Neighbours are known, and the lanes know that."""
        for family in families:
            for _ in range(2):
                expect(ping(self.net.client_a, ADDRESS_B[family])[0] == 3,
                       f"IPv{family} does not get through\n{self.a.log}\n{self.b.log}")

    def on_sockets(self):
        return [gateway.host.dropped() for gateway in (self.a, self.b)]

    def lost(self):
        """Without the host's own multicast, which is no traffic of ours."""
        return [{name: count for name, count in gateway.status()["drops"].items()
                 if count and name != "clear_no_policy" and not name.startswith("ike_")}
                for gateway in (self.a, self.b)]

    def expect_by_xdp(self, what, packets_max=10):
        """`what` leaves the sockets alone, but for the odd packet, and loses nothing."""
        before, lost = self.on_sockets(), self.lost()
        what()
        for old, now in zip(before, self.on_sockets()):
            expect(now - old <= packets_max, f"sockets carried {now - old} packets")
        expect(self.lost() == lost, f"dropped: {lost}, then {self.lost()}")

    def wait_xdp(self):
        """The next hop is known again; it is asked for once a second."""
        def is_back():
            before = self.on_sockets()
            return ping(self.net.client_a, ADDRESS_B[4])[0] == 3 and self.on_sockets() == before
        wait_until(is_back, 5, "the next hop")

    def expect_sockets(self, what):
        before = self.on_sockets()
        what()
        expect(self.on_sockets() != before, "nothing went by sockets")


def attached(host, device="eth1"):
    return "xdp" in host.ip("-d", "link", "show", device).stdout


def both_ways(encap, outer):
    def case(lab, options):
        """TCP arrives complete, in order and with good checksums, and not by sockets."""
        pair = XdpPair(lab, options, encap, outer)
        pair.warm()
        expect("XDP sockets on eth1 (driver, copied, 1 queue)" in pair.a.log, pair.a.log)
        expect(attached(pair.net.gw_a), "no XDP program")

        def work():
            for family in (4, 6):
                pair.transfer(family, 48)
                pair.transfer(family, 48, back=True)
        expect_in_order(pair, lambda: pair.expect_by_xdp(work))
        expect(pair.a.stop() == 0, "it did not end well")
        expect(not attached(pair.net.gw_a), "the program is still there")
    case.__name__ = f"both_ways_{'udp' if encap == 'always' else encap}_v{outer}"
    return case


def datagrams(lab, options):
    """Datagrams arrive one by one, whole and in order, of either family."""
    pair = XdpPair(lab, options)
    pair.warm()
    expected = []
    for size, count in ((1000, 40), (200, 50), (1300, 30), (50, 60)):
        for i in range(count):
            length = size if i + 1 < count else size // 2 + 8
            expected.append([str(len(expected)), str(length), "1"])
    for family in (4, 6):
        log = lab.folder / f"datagrams-{family}.log"
        receiver = pair.net.client_b.start("receiver", [
            PYTHON, "-c", RECEIVE, ADDRESS_B[family], str(len(expected))], log)
        wait_until(lambda: "ready" in log.read_text(), 10, "the receiver")
        pair.expect_by_xdp(lambda: pair.net.client_a.run(PYTHON, "-c", SEND, ADDRESS_B[family]))
        receiver.wait(15)
        got = [line.split() for line in log.read_text().splitlines()[1:]]
        expect(got == expected, f"{len(got)} of {len(expected)}: {got}")


FIELDS = {"native 4": ("esp", "ip.dsfield ip.flags ip.ttl ip.proto"),
          "always 4": ("udpencap", "ip.dsfield ip.flags ip.ttl udp.srcport udp.dstport"),
          "native 6": ("esp", "ipv6.tclass ipv6.flow ipv6.hlim ipv6.nxt"),
          "always 6": ("udpencap", "ipv6.tclass ipv6.flow ipv6.hlim udp.dstport "
                                   "udp.checksum.status")}


def headers(lab, options):
    """The outer headers are those that sockets send."""
    seen = {}
    for side in (XDP, ""):
        for encap, outer in itertools.product(("native", "always"), (4, 6)):
            with Lab("capx") as inner:
                pair = XdpPair(inner, options, encap, outer, side)
                pair.warm()
                path = inner.folder / "wire.pcap"
                dump = capture(pair.net.net, "eth0", path)
                for tos in ("0x00", "0xb8", "0x02"):
                    for family in (4, 6):
                        pair.net.client_a.run("ping", "-n", "-c", "2", "-i", "0.05", "-Q", tos,
                                              ADDRESS_B[family])
                finish_capture(inner, dump)
                wanted, fields = FIELDS[f"{encap} {outer}"]
                source = f"ip.src == {TwoGateways.OUTER_A}" if outer == 4 else f"ipv6.src == {OUTER6_A}"
                lines = run(["tshark", "-o", "udp.check_checksum:TRUE", "-r", str(path), "-Y",
                             f"{wanted} and {source} and not isakmp", "-T", "fields",
                             *(part for field in fields.split() for part in ("-e", field))]).stdout
                seen[side, encap, outer] = distinct(lines, outer)
    # Of what sockets send, the checksum is left to the card, which veth has not.
    seen["", "always", 6] = {(*row[:-1], "1") for row in seen["", "always", 6]}
    for (side, encap, outer), lines in seen.items():
        expect(lines, f"nothing captured: {side} {encap} {outer}")
        expect(lines == seen["", encap, outer],
               f"{encap} over IPv{outer}: {lines}, sockets send {seen['', encap, outer]}")


def distinct(lines, outer):
    """Distinct lines; the flow label is the SA's and so differs, but is there."""
    rows = set()
    for line in lines.splitlines():
        fields = line.split("\t")
        if outer == 6:
            fields[1] = str(int(fields[1], 16) != 0)
        rows.add(tuple(fields))
    return rows


def nat(lab, options):
    """One gateway behind a NAT, which chooses the ports."""
    pair = XdpPair(lab, options, "auto", nat=True)
    pair.warm((4,))
    pair.expect_by_xdp(lambda: (pair.transfer(4, 16), pair.transfer(4, 16, back=True)))


def rekey(lab, options):
    """IKE passes on the same interface; new keys in mid-transfer cost nothing."""
    pair = XdpPair(lab, options, extra='lifetime = "10s"\n')
    pair.warm()

    def spi():
        return pair.a.status("office")["children"][0]["spi_in"]
    before, spis = spi(), set()

    def work():
        deadline = time.monotonic() + 25
        while len(spis) < 2 and time.monotonic() < deadline:
            pair.transfer(4, 64)
            pair.transfer(4, 64, back=True)
            if spi() != before:
                spis.add(spi())
    pair.expect_by_xdp(work)
    expect(len(spis) == 2, f"keys: {spis}")


def next_hop(lab, options):
    """A router that is forgotten, or has another card, or a way through another interface."""
    pair = XdpPair(lab, options)
    pair.warm()
    gateway = pair.net.gw_a

    def transfer():
        pair.transfer(4, 8)
        pair.transfer(4, 8, back=True)
    gateway.ip("neigh", "del", "203.0.113.254", "dev", "eth1")
    pair.expect_sockets(transfer)
    pair.expect_by_xdp(transfer)
    pair.net.net.ip("link", "set", "eth0", "address", "02:00:00:00:00:77")
    pair.net.net.ip("neigh", "flush", "dev", "eth0")
    expect(ping(pair.net.net, TwoGateways.OUTER_A)[0] > 0, "the router does not reach its gateway")
    wait_until(lambda: "02:00:00:00:00:77" in
               gateway.ip("neigh", "show", "203.0.113.254").stdout, 5, "the kernel to learn it")
    pair.wait_xdp()
    pair.expect_by_xdp(transfer)
    # Through an interface that has no XDP sockets; what comes in still does.
    pair.net.add_second_uplink()
    gateway.ip("route", "add", "198.51.100.0/24", "via", TwoGateways.SECOND_GATEWAY)
    for host in (gateway, pair.net.net):
        host.sysctl("net.ipv4.conf.all.rp_filter", 0)
        host.sysctl("net.ipv4.conf.eth0.rp_filter", 0)
    pair.expect_sockets(transfer)
    gateway.ip("route", "del", "198.51.100.0/24")
    pair.wait_xdp()
    pair.expect_by_xdp(transfer)
    # By a rule that looks at the source.
    gateway.ip("route", "add", "default", "via", TwoGateways.SECOND_GATEWAY, "table", "77")
    gateway.ip("rule", "add", "from", TwoGateways.OUTER_A, "lookup", "77", "priority", "90")
    pair.expect_sockets(transfer)


def moves(lab, options):
    """Away to an interface without XDP sockets and another address, and back (MOBIKE)."""
    pair = XdpPair(lab, options, "always", prepare=lambda net: net.add_second_uplink())
    pair.warm()
    pair.net.use_second_uplink()
    wait_until(lambda: ping(pair.net.client_a, ADDRESS_B[4], count=1)[0], 20, "the tunnel to move")
    pair.expect_sockets(lambda: pair.transfer(4, 8))
    pair.net.use_first_uplink()
    wait_until(lambda: ping(pair.net.client_a, ADDRESS_B[4], count=1)[0], 20, "it to move back")
    pair.wait_xdp()
    pair.expect_by_xdp(lambda: (pair.transfer(4, 8), pair.transfer(4, 8, back=True)))


def large(lab, options):
    """What must be fragmented leaves by sockets, and arrives in fragments by them."""
    pair = XdpPair(lab, options, daemon=XDP + "mtu = 2000\n")
    pair.warm()
    for family in (4, 6):
        text = ""
        for _ in range(2):  # an IPv6 sender learns the size by losing its first packet
            text = pair.net.client_a.run("ping", "-n", "-q", "-c", "3", "-i", "0.05", "-s", "4000",
                                         "-M", "dont", ADDRESS_B[family], check=False).stdout
        expect("3 received" in text, text)
    pair.net.gw_a.ip("link", "set", "eth1", "mtu", "1300")
    pair.transfer(4, 2)
    pair.transfer(6, 2)


def killed(lab, options):
    """Nothing is left of a process that was killed, and the next one starts."""
    pair = XdpPair(lab, options)
    pair.warm()
    pair.a.stop(signal.SIGKILL)
    wait_until(lambda: not attached(pair.net.gw_a), 2, "the program to go")
    expect(ping(pair.net.gw_a, TwoGateways.OUTER_B)[0] == 3, "the interface is of no use")
    pair.a.start().wait_up("office")
    expect(attached(pair.net.gw_a), "no XDP program")
    pair.warm()
    pair.expect_by_xdp(lambda: pair.transfer(4, 16))


def cpu_seconds(gateway):
    fields = gateway.host.run("cat", f"/proc/{gateway.process.pid}/stat").stdout.rsplit(")", 1)[1]
    return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")


def link_fails(lab, options):
    """An interface that goes down and comes up again is used again; nobody spins meanwhile."""
    pair = XdpPair(lab, options)
    pair.warm()
    outer = pair.net.gw_a

    def expect_idle():
        before = cpu_seconds(pair.a)
        ping(pair.net.client_a, ADDRESS_B[4], count=3, interval=0.3)
        expect(cpu_seconds(pair.a) - before < 0.5, "busy without an interface")
    outer.ip("link", "set", "eth1", "down")
    expect_idle()
    outer.ip("link", "set", "eth1", "up")
    outer.ip("route", "replace", "default", "via", "203.0.113.254")
    wait_until(lambda: ping(pair.net.client_a, ADDRESS_B[4], count=1)[0], 20, "the link")
    pair.warm((4,))
    pair.expect_by_xdp(lambda: pair.transfer(4, 16))
    outer.ip("link", "del", "eth1")
    expect_idle()
    expect(pair.a.stop() == 0, "it did not end well")


def two_workers(lab, options):
    """Workers without a queue of their own have sockets; every flow is in order."""
    pair = XdpPair(lab, options, workers=2)
    pair.warm()
    failures = []

    def one(number, back):
        try:
            pair.transfer(4 if number % 2 else 6, 24, back, 5100 + number)
        except (LabError, OSError) as error:
            failures.append(str(error))

    def work():
        threads = [threading.Thread(target=one, args=(number, number % 4 > 1))
                   for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    expect_in_order(pair, work)
    expect(not failures, failures)


def generic(lab, options):
    """Where no driver knows XDP, as on a bridge, the kernel runs the program."""
    def bridge(net):
        host = net.gw_a
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("addr", "flush", "dev", "eth1")
        host.ip("link", "set", "eth1", "master", "br0")
        host.ip("link", "set", "br0", "up")
        host.ip("addr", "add", f"{TwoGateways.OUTER_A}/24", "dev", "br0")
        host.ip("route", "replace", "default", "via", "203.0.113.254")
        for gateway in (net.gw_a, net.gw_b):
            gateway.ip("link", "property", "add", "dev", "br0" if gateway is host else "eth1",
                       "altname", "outer0")
    pair = XdpPair(lab, options, daemon=XDP.replace("eth1", "outer0"), prepare=bridge)
    pair.warm()
    expect("outer0 (generic, copied" in pair.a.log, pair.a.log)
    pair.expect_by_xdp(lambda: (pair.transfer(4, 16), pair.transfer(4, 16, back=True)))


AUTO = XDP.replace("xdp", "auto")


def auto_in_udp(lab, options):
    """Without zero-copy sockets are faster for ESP in UDP, and "auto" says that it stays there."""
    pair = XdpPair(lab, options, "auto", daemon=AUTO)
    pair.warm()
    for gateway in (pair.a, pair.b):
        expect("eth1 stays with sockets: its driver offers no zero-copy" in gateway.log, gateway.log)
        expect(not attached(gateway.host), "an XDP program is there")
    pair.expect_sockets(lambda: pair.transfer(4, 4))


def auto_native(lab, options):
    """Native ESP is carried faster by XDP sockets even without zero-copy."""
    pair = XdpPair(lab, options, "native", daemon=AUTO)
    pair.warm()
    pair.expect_by_xdp(lambda: pair.transfer(4, 4))


def refused(lab, options):
    """What cannot be is said with its place and cure; "auto" says it and goes on."""
    net = TwoGateways(lab)
    host = net.gw_a
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "add", "port0", "type", "veth", "peer", "name", "port1")
    host.ip("link", "set", "port0", "master", "br0")
    host.ip("link", "add", "jumbo0", "mtu", "9000", "type", "veth", "peer", "name", "jumbo1")
    without_bpf = ["setpriv", "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-bpf,-sys_admin"]
    without_memory = ["prlimit", "--memlock=65536", "setpriv", "--bounding-set", "-ipc_lock",
                      "--inh-caps", "-ipc_lock"]
    for name, wrapper, wanted in (
            ("nope0", [], "there is no interface nope0"), ("lo", [], "lo is no Ethernet interface"),
            ("port0", [], "port0 is part of a bridge"), ("jumbo0", [], "jumbo0 has an MTU of 9000"),
            ("eth1", without_bpf, "CAP_BPF"), ("eth1", without_memory, "CAP_IPC_LOCK")):
        daemon = Caponier(lab, host, "[daemon]\n" + XDP.replace("eth1", name), {}, options.bin,
                          wrapper)
        try:
            daemon.start()
        except LabError as error:
            expect(wanted in str(error) and "fix: " in str(error), str(error))
        else:
            raise LabError(f"{name} was taken")
        daemon.config.write_text(daemon.config.read_text().replace("xdp", "auto"))
        daemon.start()
        expect(f"{name} stays with sockets" in daemon.log, daemon.log)
        daemon.stop()
        run(["rm", "-r", str(daemon.folder)])
    first = Caponier(lab, host, "[daemon]\n" + XDP, {}, options.bin).start()
    os.rename(first.folder, f"{first.folder}-first")
    second = Caponier(lab, host, f"[daemon]\nike_port = 501\nnatt_port = 4501\ntcp_ports = []\n{XDP}",
                      {}, options.bin)
    try:
        second.start()
    except LabError as error:
        expect("eth1 has another XDP program" in str(error) and "fix: " in str(error), str(error))
    else:
        raise LabError("two have the interface")
    expect(attached(host), "the first one's program is gone")


CASES = [*(both_ways(encap, outer) for encap in ("native", "always") for outer in (4, 6)), datagrams,
         headers, nat, rekey, next_hop, moves, large, killed, link_fails, two_workers, generic,
         auto_in_udp, auto_native, refused]


def main():
    cases = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=cases)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capx") as lab:
        try:
            code = cases[options.case](lab, options) or 0
        except LabError as error:
            print(error)
            code = 1
    print("passed" if code == 0 else "failed")
    return code


if __name__ == "__main__":
    sys.exit(main())
