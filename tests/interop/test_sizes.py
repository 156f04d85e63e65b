#!/usr/bin/env python3
"""Paths that carry less than 1500 octets, with ICMP and without: one case per call.

  test_sizes.py CASE --bin DIR

    client-a --- gw-a --- near === far --- gw-b --- client-b
                            the narrow link

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Caponier, Lab, LabError, ping, wait_until  # noqa: E402

PSK = "9cQ2vXn5RkTz8LwYbHf3MjPd6GsAe1Uo"
SILENT = ("icmp type destination-unreachable drop", "icmpv6 type packet-too-big drop")

SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family) as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((sys.argv[1], 9000))
    listener.listen()
    print("ready", flush=True)
    while True:
        stream, _ = listener.accept()
        with stream:
            total = 0
            while data := stream.recv(65536):
                total += len(data)
            stream.sendall(b"%d." % total + bytes(300000))
"""
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], 9000), timeout=20) as stream:
    stream.sendall(bytes(1000000))
    stream.shutdown(socket.SHUT_WR)
    answer = b""
    while data := stream.recv(65536):
        answer += data
print(answer.split(b".")[0].decode(), len(answer))
"""


def expect(condition, message):
    if not condition:
        raise LabError(message)


class Narrow:
    """Two gateways with a narrow link between them that neither touches."""

    def __init__(self, lab, options, mtu, inner=4, outer=4, extra="", silent=False):
        self.lab, self.inner = lab, inner
        self.client_a, self.gw_a = lab.host("client-a"), lab.host("gw-a")
        self.near, self.far = lab.host("near"), lab.host("far")
        self.gw_b, self.client_b = lab.host("gw-b"), lab.host("client-b")
        self.inside_b = "10.2.0.10" if inner == 4 else "fd02::10"
        lab.link(self.client_a, ["10.1.0.10/24", "fd01::10/64"],
                 self.gw_a, ["10.1.0.1/24", "fd01::1/64"])
        lab.link(self.gw_a, ["203.0.113.1/24", "2001:db8:a::1/64"],
                 self.near, ["203.0.113.254/24", "2001:db8:a::ff/64"])
        self.narrow_near, _ = lab.link(self.near, ["192.0.2.1/24", "2001:db8:f::1/64"],
                                       self.far, ["192.0.2.2/24", "2001:db8:f::2/64"], mtu)
        lab.link(self.gw_b, ["198.51.100.1/24", "2001:db8:b::1/64"],
                 self.far, ["198.51.100.254/24", "2001:db8:b::ff/64"])
        lab.link(self.client_b, ["10.2.0.10/24", "fd02::10/64"],
                 self.gw_b, ["10.2.0.1/24", "fd02::1/64"])
        for host, v4, v6 in (
                (self.client_a, "10.1.0.1", "fd01::1"), (self.client_b, "10.2.0.1", "fd02::1"),
                (self.gw_a, "203.0.113.254", "2001:db8:a::ff"),
                (self.gw_b, "198.51.100.254", "2001:db8:b::ff"),
                (self.near, "192.0.2.2", "2001:db8:f::2"),
                (self.far, "192.0.2.1", "2001:db8:f::1")):
            host.ip("route", "add", "default", "via", v4)
            host.ip("-6", "route", "add", "default", "via", v6)
        for host in (self.gw_a, self.gw_b, self.near, self.far):
            host.forward()
        if silent:
            self.near.filter(*SILENT)
            self.far.filter(*SILENT)
        outer_a, outer_b = (("203.0.113.1", "198.51.100.1") if outer == 4
                            else ("2001:db8:a::1", "2001:db8:b::1"))
        net_a, net_b = (("10.1.0.0/24", "10.2.0.0/24") if inner == 4
                        else ("fd01::/64", "fd02::/64"))
        if "encap" not in extra:
            extra += 'encap = "native"\n'
        text = ('[site.office]\nremote = "{}"\npsk = "@office"\nlocal_nets = ["{}"]\n'
                'remote_nets = ["{}"]\n' + extra)
        self.a = Caponier(lab, self.gw_a, text.format(outer_b, net_a, net_b), {"office": PSK},
                          options.bin)
        self.b = Caponier(lab, self.gw_b, text.format(outer_a, net_b, net_a), {"office": PSK},
                          options.bin)
        self.client_b.start("server", ["/usr/bin/python3", "-c", SERVER, self.inside_b],
                            lab.folder / "server.log")
        wait_until(lambda: "ready" in (lab.folder / "server.log").read_text(), 10, "the server")

    def up(self):
        self.b.start()
        self.a.start()
        self.a.wait_up("office")
        self.b.wait_up("office")
        return self

    def mtu(self, gateway=None):
        children = (gateway or self.a).status("office")["children"]
        return children[0]["inner_mtu_bytes"] if children else 0

    def expect_transfer(self, when):
        """A megabyte there and some of it back."""
        done = self.client_a.run("/usr/bin/python3", "-c", CLIENT, self.inside_b, check=False,
                                 timeout=90)
        expect(done.stdout.split() == ["1000000", "300008"],
               f"{when}, TCP did not get through: {done.stdout}{done.stderr}"
               f"{self.a.log}\n{self.a.status()}\n{self.b.log}\n{self.b.status()}")

    def wait_found(self, low, high):
        """The tunnel MTU that both ends find out."""
        for gateway in (self.a, self.b):
            try:
                wait_until(lambda: low <= self.mtu(gateway) <= high, 40, "the path MTU")
            except LabError as error:
                raise LabError(f"{error}: {low} to {high}, not {self.mtu(gateway)}\n"
                               f"{gateway.log}") from None

    def expect_plain_link(self):
        """`ping -M do` is told the right size, exactly that passes, and larger ones may be cut."""
        headers = 28 if self.inner == 4 else 48
        done = self.client_a.run("ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s",
                                 str(1472 if self.inner == 4 else 1452), self.inside_b,
                                 check=False)
        said = done.stdout + done.stderr
        mtu = self.mtu()
        told = re.findall(r"mtu ?[=:] ?(\d+)", said)
        expect(told and set(told) == {str(mtu)}, f"the tunnel's MTU is {mtu}, but ping says: {said}")
        got = ping(self.client_a, self.inside_b, 3, size=mtu - headers)[0]
        expect(got == 3, f"{got} of 3 pings of the whole MTU {mtu} came back")
        large = ["ping", "-n", "-q", "-i", "0.1", "-W", "2", "-M", "dont", "-s", "4000"]
        # An IPv6 sender cuts, and learns where by losing the first; so does the one that answers.
        self.client_a.run(*large, "-c", "3", self.inside_b, check=False)
        got = self.client_a.run(*large, "-c", "3", self.inside_b, check=False).stdout
        expect(" 3 received" in got, f"large packets that may be fragmented: {got}")


def overhead(outer, encap=False):
    """The range of what AES-GCM in tunnel mode takes, with padding and the search's own step."""
    least = (20 if outer == 4 else 40) + (8 if encap else 0) + 34
    return least, least + 3 + 4


def check(lab, options, mtu, inner, outer, silent, extra=""):
    net = Narrow(lab, options, mtu, inner, outer, extra, silent).up()
    net.expect_transfer("at once")
    least, most = overhead(outer, "encap" in extra)
    net.wait_found(mtu - most, mtu - least)
    net.expect_transfer("with the path MTU known")
    if inner == 4 or mtu - most >= 1280:
        net.expect_plain_link()


def family(inner, outer, silent):
    def case(lab, options):
        for mtu in (1280, 1400):
            with Lab("caps") as part:
                check(part, options, mtu, inner, outer, silent)
        with Lab("caps") as part:
            check(part, options, 1372, inner, outer, silent, "clamp_mss = false\n")
    case.__name__ = f"v{inner}_in_v{outer}_{'silent' if silent else 'icmp'}"
    return case


def in_udp(silent):
    def case(lab, options):
        for extra in ('encap = "always"\n', 'encap = "always"\nclamp_mss = false\n'):
            with Lab("caps") as part:
                check(part, options, 1320, 4, 4, silent, extra)
    case.__name__ = f"in_udp_{'silent' if silent else 'icmp'}"
    return case


def fragments_after_esp(lab, options):
    """fragment = "after" and df = "clear": the outer packets are fragmented, and arrive."""
    net = Narrow(lab, options, 1300, extra='fragment = "after"\ndf = "clear"\n').up()
    net.expect_transfer("with outer fragments")
    net.wait_found(1239, 1246)
    got = net.client_a.run("ping", "-n", "-q", "-c", "3", "-i", "0.1", "-W", "2", "-M", "dont", "-s",
                           "4000", net.inside_b, check=False).stdout
    expect(" 3 received" in got, got)


def path_shrinks(lab, options):
    """The path becomes narrower under a running tunnel: with ICMP that is known at once."""
    net = Narrow(lab, options, 1500, extra="clamp_mss = false\n").up()
    net.wait_found(1446, 1446)
    net.expect_transfer("at first")
    time.sleep(3)  # until the size is not only hoped for, but proven
    for host, device in ((net.near, "eth1"), (net.far, "eth0")):
        host.ip("link", "set", device, "mtu", "1340")
    started = time.monotonic()
    net.expect_transfer("after the path has shrunk")
    expect(time.monotonic() - started < 15, "that took long")
    wait_until(lambda: net.mtu() <= 1286, 5, f"the smaller MTU: {net.mtu()}")
    forged = net.a.status()["drops"].get("esp_icmp_unproven", 0)
    expect(forged == 0, f"{forged} genuine errors were not believed")


def outer_header(lab, options):
    """DSCP, TTL and DF as configured, seen in the middle."""
    net = Narrow(lab, options, 1500,
                 extra='dscp = 46\nttl = 77\ndf = "clear"\necn = false\n').up()
    net.near.run("nft", "-f", "-", text_input="""
        table ip seen {
          chain forward {
            type filter hook forward priority 0;
            ip protocol esp ip saddr 203.0.113.1 ip dscp 46 ip ttl 76 ip frag-off & 0x4000 == 0 counter
            ip protocol esp ip saddr 203.0.113.1 counter
          }
        }""")
    got = ping(net.client_a, net.inside_b, 5)[0]
    expect(got == 5, f"{got} of 5 pings came back")
    text = net.near.run("nft", "list", "table", "ip", "seen").stdout
    right, every = map(int, re.findall(r"counter packets (\d+)", text))
    expect(right == every and right >= 5, text)


CASES = [family(inner, outer, silent) for inner in (4, 6) for outer in (4, 6)
         for silent in (False, True)]
CASES += [in_udp(False), in_udp(True), fragments_after_esp, path_shrinks, outer_header]


def main():
    cases = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=cases)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capz") as lab:
        try:
            code = cases[options.case](lab, options) or 0
        except LabError as error:
            print(error)
            return 1
    print("passed" if code == 0 else "")
    return code


if __name__ == "__main__":
    sys.exit(main())
