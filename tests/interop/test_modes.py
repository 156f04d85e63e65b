#!/usr/bin/env python3
"""AH, BEET and TFC padding between two Caponiers: one case per call.

  test_modes.py CASE --bin DIR

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import (Caponier, Lab, LabError, TwoGateways, capture, finish_capture, ping,  # noqa: E402
                 run, wait_until)
from test_daemon import PSK, expect, expect_clean, site  # noqa: E402
from test_host import OUTER6_A, OUTER6_B, add_ipv6, open_socket, tcp_crosses  # noqa: E402


class Gateways:
    """Two gateways that are up, IPv4 and IPv6 inside and outside."""

    def __init__(self, lab, options, text_a, text_b, nat=False):
        self.lab, self.net = lab, TwoGateways(lab, nat)
        if not nat:
            add_ipv6(self.net)
        self.a = Caponier(lab, self.net.gw_a, text_a, {"office": PSK}, options.bin)
        self.b = Caponier(lab, self.net.gw_b, text_b, {"office": PSK}, options.bin)
        self.b.start()
        self.a.start()

    def up(self):
        self.a.wait_up("office")
        self.b.wait_up("office")
        return self

    def child(self):
        return self.a.status("office")["children"][0]

    def expect_ping(self, address, count=3, size=None):
        got = ping(self.net.client_a, address, count, size=size)[0]
        expect(got == count, f"{got} of {count} pings to {address} (size {size}) came back\n"
                             f"{self.a.log}\n{self.b.log}\n{self.a.status()}\n{self.b.status()}")

    def expect_large_ping(self, address, size=4000):
        """What may be fragmented on its way."""
        command = ["ping", "-n", "-q", "-c", "3", "-i", "0.1", "-W", "2", "-M", "dont", "-s",
                   str(size), address]
        # An IPv6 sender learns the size by losing its first packet.
        self.net.client_a.run(*command, check=False)
        text = self.net.client_a.run(*command, check=False).stdout
        expect(" 3 received" in text, f"{text}{self.a.status()}\n{self.b.status()}")

    def captured(self, what, fields, display=""):
        """tshark's fields of what passes the middle while `what` runs."""
        path = self.lab.folder / f"wire-{time.monotonic_ns()}.pcap"
        dump = capture(self.net.net, "eth0", path)
        what()
        finish_capture(self.lab, dump)
        wanted = [part for field in fields for part in ("-e", field)]
        return run(["tshark", "-r", str(path), "-Y", display, "-T", "fields",
                    *wanted]).stdout.splitlines()

    def stop(self):
        for gateway in (self.a, self.b):
            code = gateway.stop()
            expect(code == 0, f"exit code {code}\n{gateway.log}")
            expect_clean(gateway)


def sites(options, lab, extra, outer=4, inner=4):
    outer_a, outer_b = ((TwoGateways.OUTER_A, TwoGateways.OUTER_B) if outer == 4
                        else (OUTER6_A, OUTER6_B))
    net_a, net_b = (("10.1.0.0/24", "10.2.0.0/24") if inner == 4 else ("fd01::/64", "fd02::/64"))
    return Gateways(lab, options, site(outer_b, net_a, net_b, extra),
                    site(outer_a, net_b, net_a, extra)).up()


def inside_b(inner):
    return "10.2.0.10" if inner == 4 else "fd02::10"


def ah_tunnel(outer, inner, algorithm):
    def case(lab, options):
        pair = sites(options, lab, f'ah = ["{algorithm}"]\n', outer, inner)
        expect(pair.child()["protocol"] == "ah", pair.child())
        lines = pair.captured(lambda: pair.expect_ping(inside_b(inner), 5),
                              ["frame.protocols", "ah.sequence"], "ah")
        expect(len(lines) >= 10, f"tshark saw {lines}")
        expect(tcp_crosses(pair.net.client_a, pair.net.client_b, inside_b(inner), 7003),
               "TCP did not get through")
        pair.expect_large_ping(inside_b(inner))
        expect(pair.a.status()["drops"].get("esp_bad_icv", 0) == 0, pair.a.status())
        pair.stop()
    case.__name__ = f"ah_tunnel_v{inner}_in_v{outer}_{algorithm.split('-')[0]}"
    return case


def ah_rekey(lab, options):
    pair = sites(options, lab, 'ah = ["sha256-x25519"]\nlifetime = "10s"\n')
    before = pair.child()["spi_in"]
    pair.expect_ping(inside_b(4), 200)
    wait_until(lambda: pair.child()["spi_in"] != before, 20, "a rekey")
    pair.expect_ping(inside_b(4), 20)
    pair.stop()


def ah_host(family):
    def case(lab, options):
        outer_a, outer_b = ((TwoGateways.OUTER_A, TwoGateways.OUTER_B) if family == 4
                            else (OUTER6_A, OUTER6_B))
        text = '[host.office]\nremote = "{}"\nlocal = "{}"\npsk = "@office"\nah = ["sha384"]\n'
        pair = Gateways(lab, options, text.format(outer_b, outer_a),
                        text.format(outer_a, outer_b)).up()
        net = pair.net

        def traffic():
            expect(tcp_crosses(net.gw_a, net.gw_b, outer_b, 7001), "TCP did not get through")
            got = ping(net.gw_a, outer_b, 5)[0]
            expect(got == 5, f"{got} of 5 pings came back\n{pair.a.log}\n{pair.b.log}")

        lines = pair.captured(traffic, ["_ws.col.Protocol"],
                              "(tcp or icmp or icmpv6.type == 128 or icmpv6.type == 129) and not ah")
        expect(not lines, f"something passed without AH: {lines}")
        pair.stop()
    case.__name__ = f"ah_host_v{family}"
    return case


def hosts6(lab, options, extra):
    text = '[host.office]\nremote = "{}"\nlocal = "{}"\npsk = "@office"\n' + extra
    return Gateways(lab, options, text.format(OUTER6_B, OUTER6_A),
                    text.format(OUTER6_A, OUTER6_B)).up()


def headers_outside(protocol):
    """IPv6 hop-by-hop options stay in front of ESP and AH, and arrive."""
    def case(lab, options):
        pair = hosts6(lab, options, 'ah = ["sha256"]\n' if protocol == "ah" else 'encap = "native"\n')
        hop_by_hop = 54  # IPV6_HOPOPTS
        router_alert = bytes([0, 0, 5, 2, 0, 0, 1, 0])
        with open_socket(pair.net.gw_b, socket.AF_INET6, socket.SOCK_DGRAM,
                         (OUTER6_B, 7004)) as receiver, \
                open_socket(pair.net.gw_a, socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.IPPROTO_IPV6, hop_by_hop, router_alert)

            def traffic():
                for number in range(3):
                    sender.sendto(b"behind options %d" % number, (OUTER6_B, 7004))
                    got = receiver.recv(100)
                    expect(got == b"behind options %d" % number, got)

            lines = pair.captured(traffic, ["ipv6.nxt", "ipv6.hopopts.nxt"],
                                  f"{protocol} and ipv6.hopopts")
        number = "51" if protocol == "ah" else "50"
        expect(len(lines) == 3 and all(line.split("\t") == ["0", number] for line in lines), lines)
        expect(not pair.b.status()["drops"].get("esp_bad_icv"), pair.b.status())
        pair.stop()
    case.__name__ = f"{protocol}_behind_hop_by_hop"
    return case


def ah_at_nat(lab, options):
    """There is no tunnel, and the log says why and what to do."""
    pair = Gateways(lab, options,
                    site(TwoGateways.OUTER_B, "10.1.0.0/24", "10.2.0.0/24", 'ah = ["sha256"]\n'),
                    site("any", "10.2.0.0/24", "10.1.0.0/24", 'ah = ["sha256"]\n'), nat=True)
    wait_until(lambda: "cannot pass a NAT" in pair.a.log, 20, "the refusal")
    expect("use esp instead of ah" in pair.a.log, pair.a.log)
    expect(not pair.a.status("office")["children"], "there is a child all the same")
    pair.stop()


def beet(inner, outer):
    def case(lab, options):
        here, there = (("10.1.0.10", "10.2.0.10") if inner == 4 else ("fd01::10", "fd02::10"))
        outer_a, outer_b = ((TwoGateways.OUTER_A, TwoGateways.OUTER_B) if outer == 4
                            else (OUTER6_A, OUTER6_B))
        extra = 'mode = "beet"\nesp = ["null-sha256"]\nencap = "native"\n'
        pair = Gateways(lab, options, site(outer_b, here, there, extra),
                        site(outer_a, there, here, extra)).up()
        expect(pair.child()["mode"] == "beet", pair.child())
        lines = pair.captured(lambda: pair.expect_ping(there, 5),
                              ["ip.len", "ipv6.plen"], "esp and not icmp.type == 3")
        # ICMP alone is inside: 64 octets of it, in ESP with NULL and 16 octets of ICV.
        sizes = {int(value) for line in lines for value in line.split("\t") if value}
        expect(len(lines) >= 10 and max(sizes) <= (20 if outer == 4 else 0) + 8 + 64 + 4 + 16,
               f"{lines}")
        pair.expect_ping(there, 3, size=1300)
        expect(tcp_crosses(pair.net.client_a, pair.net.client_b, there, 7002),
               "TCP did not get through")
        pair.stop()
    case.__name__ = f"beet_v{inner}_in_v{outer}"
    return case


def tfc(lab, options):
    """Every packet is as long as the next."""
    pair = sites(options, lab, "tfc_padding = 900\n")

    def traffic():
        for size in (8, 100, 600):
            pair.expect_ping(inside_b(4), 3, size=size)

    lines = pair.captured(traffic, ["ip.len"], "esp")
    expect(len(lines) >= 18 and len(set(lines)) == 1, f"{lines}")
    pair.stop()


def dummies(lab, options):
    """Silence looks like traffic: packets leave that are as long as the others."""
    pair = sites(options, lab, "tfc_padding = 900\ndummy_packets = \"50ms\"\n")

    def traffic():
        pair.expect_ping(inside_b(4), 3, size=100)
        time.sleep(1)

    lines = pair.captured(traffic, ["ip.len"], "esp")
    expect(len(lines) >= 30 and len(set(lines)) == 1, f"{lines}")
    pair.stop()


CASES = [ah_tunnel(4, 4, "sha256"), ah_tunnel(6, 4, "sha512"), ah_tunnel(4, 6, "aescmac"),
         ah_tunnel(6, 6, "aes256gmac"), ah_rekey, ah_host(4), ah_host(6),
         headers_outside("ah"), headers_outside("esp"), ah_at_nat, beet(4, 4),
         beet(4, 6), beet(6, 4), beet(6, 6), tfc, dummies]


def main():
    cases = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=cases)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capm") as lab:
        try:
            code = cases[options.case](lab, options) or 0
        except LabError as error:
            print(error)
            return 1
    print("passed" if code == 0 else "")
    return code


if __name__ == "__main__":
    sys.exit(main())
