#!/usr/bin/env python3
"""What must not pass in clear, in either direction, and the traffic of the machines themselves.

  test_host.py CASE --bin DIR
"""
import argparse
import json
import os
import signal
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import (Caponier, Lab, LabError, TwoGateways, capture, finish_capture, ping,  # noqa: E402
                 run, wait_until)
from guest import in_namespace  # noqa: E402
from test_daemon import PSK, Pair, expect, expect_clean, site, skip  # noqa: E402

OUTER6_A, OUTER6_B = "2001:db8:a::1", "2001:db8:b::1"


# -- packets and sockets


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def echo_request(source, destination, number):
    """A whole IPv4 packet."""
    body = struct.pack("!BBHHH", 8, 0, 0, 0x5eed, number) + b"spoofed!"
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), number, 0, 64, 1, 0,
                       socket.inet_aton(source), socket.inet_aton(destination)) + body


def inject(host, source, destination, count=5):
    """Puts echo requests with a source of our choice on the wire."""
    out = in_namespace(host.netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                                         socket.IPPROTO_RAW))
    with out:
        for number in range(count):
            out.sendto(echo_request(source, destination, number), (destination, 0))
    return count


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def open_socket(host, family, kind, bind=None):
    opened = in_namespace(host.netns, lambda: socket.socket(family, kind))
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.settimeout(15)
    if bind:
        opened.bind(bind)
    return opened


def tcp_crosses(sender, receiver, address, port, bind=None, size=200_000):
    """A connection that carries `size` bytes there and back."""
    family = family_of(address)
    with open_socket(receiver, family, socket.SOCK_STREAM, (address, port)) as listener, \
            open_socket(sender, family, socket.SOCK_STREAM, bind) as client:
        listener.listen()
        try:
            client.connect((address, port))
            served, _ = listener.accept()
        except OSError:
            return False
        with served:
            served.settimeout(15)
            for out, into in ((client, served), (served, client)):
                sent = got = 0
                out.setblocking(False)
                while got < size:
                    try:
                        sent += out.send(b"x" * min(16384, size - sent)) if sent < size else 0
                    except BlockingIOError:
                        pass
                    try:
                        chunk = into.recv(65536)
                    except OSError:
                        return False
                    if not chunk:
                        return False
                    got += len(chunk)
                out.setblocking(True)
                out.settimeout(5)
    return True


def udp_crosses(sender, receiver, address, port, bind=None, size=1000):
    family = family_of(address)
    with open_socket(receiver, family, socket.SOCK_DGRAM, (address, port)) as served, \
            open_socket(sender, family, socket.SOCK_DGRAM, bind) as client:
        client.sendto(b"u" * size, (address, port))
        try:
            data, back = served.recvfrom(65536)
            served.sendto(data, back)
            return client.recv(65536) == b"u" * size
        except OSError:
            return False


class Wire:
    """What passes the middle while the block runs; `protocols` holds tshark's names afterwards."""

    def __init__(self, lab, net, device="eth0"):
        self.lab, self.path = lab, lab.folder / f"wire-{time.monotonic_ns()}.pcap"
        self.net, self.device = net, device

    def __enter__(self):
        self.dump = capture(self.net, self.device, self.path)
        return self

    def __exit__(self, *_):
        finish_capture(self.lab, self.dump)
        self.packets = run(["tshark", "-r", str(self.path), "-T", "fields", "-e",
                            "_ws.col.Protocol", "-e", "_ws.col.Info"]).stdout.splitlines()
        self.protocols = {line.split("\t")[0] for line in self.packets}


def add_ipv6(net):
    """A second, IPv6 topology beside the first."""
    for host, device, address in (
            (net.client_a, "eth0", "fd01::10/64"), (net.gw_a, "eth0", "fd01::1/64"),
            (net.gw_a, "eth1", f"{OUTER6_A}/64"), (net.net, "eth0", "2001:db8:a::ff/64"),
            (net.net, "eth1", "2001:db8:b::ff/64"), (net.gw_b, "eth1", f"{OUTER6_B}/64"),
            (net.gw_b, "eth0", "fd02::1/64"), (net.client_b, "eth0", "fd02::10/64")):
        host.ip("addr", "add", address, "dev", device, "nodad")
    for host, via in ((net.client_a, "fd01::1"), (net.gw_a, "2001:db8:a::ff"),
                      (net.gw_b, "2001:db8:b::ff"), (net.client_b, "fd02::1")):
        host.ip("-6", "route", "add", "default", "via", via)


def route_in_clear(net):
    """The middle knows the inner networks: nothing but the gateways keeps packets from crossing."""
    net.net.ip("route", "add", "10.2.0.0/24", "via", TwoGateways.OUTER_B)
    net.net.ip("route", "add", "10.1.0.0/24", "via", TwoGateways.OUTER_A)


def drops(gateway, name):
    return gateway.status()["drops"].get(name, 0)


def tables(host):
    return host.run("nft", "list", "tables").stdout


class Hosts:
    """The two gateways as hosts that talk to each other, with extra lines for each."""

    def __init__(self, lab, options, address_a, address_b, extra=""):
        self.net = TwoGateways(lab)
        add_ipv6(self.net)
        text = '[host.peer]\nremote = "{}"\npsk = "@office"\n' + extra
        self.a = Caponier(lab, self.net.gw_a, text.format(address_b), {"office": PSK}, options.bin)
        self.b = Caponier(lab, self.net.gw_b, text.format(address_a), {"office": PSK}, options.bin)

    def up(self):
        self.b.start()
        self.a.start()
        self.a.wait_up("peer")
        self.b.wait_up("peer")
        return self


# -- cases


def spoofed_source(lab, options):
    """Clear packets with a source behind the tunnel are dropped and counted, also while the daemon
    is dead; the next start replaces the filter, and its end takes it away."""
    pair = Pair(lab, options).up()
    net = pair.net
    route_in_clear(net)
    pair.expect_traffic()
    with Wire(lab, net.client_a) as inside:
        sent = inject(net.net, "10.2.0.10", "10.1.0.10")
        inject(net.net, "192.0.2.77", "10.1.0.10", 1)
        pair.expect_traffic()
    spoofed = [line for line in inside.packets if "0x5eed" in line and ") request" in line]
    expect(len(spoofed) == 1, f"behind gw-a arrived {spoofed}: the foreign one, and no other")
    expect(drops(pair.a, "clear_unprotected") == sent, str(pair.a.status()["drops"]))
    shown = pair.a.cli("status", "office").stdout
    expect("clear_unprotected" in shown and "policy wants protected" in shown, shown)
    pair.a.stop(signal.SIGKILL)
    with Wire(lab, net.client_a) as inside:
        inject(net.net, "10.2.0.10", "10.1.0.10")
        time.sleep(0.2)
    expect("ICMP" not in inside.protocols, f"after kill -9: {inside.packets}")
    name = tables(net.gw_a)
    pair.a.start()
    pair.a.wait_up("office")
    expect(tables(net.gw_a) == name, f"{name} became {tables(net.gw_a)}")
    wait_until(lambda: ping(net.client_a, "10.2.0.10", 1)[0] == 1, 10, "traffic")
    pair.a.cli("down", "office")
    expect("caponier" not in tables(net.gw_a), "`down` must take the filter back")
    pair.a.cli("up", "office", "--wait", "10s")
    expect("caponier" in tables(net.gw_a), "`up` must put the filter back")
    expect(pair.a.stop() == 0, pair.a.log)
    expect_clean(pair.a)
    expect("caponier" not in tables(net.gw_a), tables(net.gw_a))


def translated_destination(lab, options):
    """A port forwarded to a protected host is no way round the filter."""
    pair = Pair(lab, options).up()
    net = pair.net
    net.gw_a.run("nft", "-f", "-", text_input="""
        table ip nat {
          chain pre {
            type nat hook prerouting priority dstnat;
            ip daddr 203.0.113.1 icmp type echo-request dnat to 10.1.0.10
          }
        }""")
    with Wire(lab, net.client_a) as inside:
        sent = inject(net.net, "10.2.0.10", TwoGateways.OUTER_A)
        inject(net.net, "192.0.2.77", TwoGateways.OUTER_A, 1)
        time.sleep(0.2)
    arrived = [line for line in inside.packets if "0x5eed" in line and ") request" in line]
    expect(len(arrived) == 1, str(inside.packets))
    expect(drops(pair.a, "clear_unprotected") == sent, str(pair.a.status()["drops"]))


def emptied_filter(lab, options):
    """A firewall that is loaded anew and begins with `flush ruleset` does not open the way."""
    pair = Pair(lab, options).up()
    net = pair.net
    for _ in range(3):
        net.gw_a.run("nft", "flush", "ruleset")
        wait_until(lambda: "caponier" in tables(net.gw_a), 5, "the table to come back")
    expect("put back" in pair.a.log, pair.a.log)
    route_in_clear(net)
    with Wire(lab, net.client_a) as inside:
        inject(net.net, "10.2.0.10", "10.1.0.10")
        time.sleep(0.2)
    expect("ICMP" not in inside.protocols, str(inside.packets))
    pair.expect_traffic()
    expect(pair.a.stop() == 0, pair.a.log)
    expect("caponier" not in tables(net.gw_a), tables(net.gw_a))


def killed_is_closed(lab, options):
    """kill -9: what should go through the tunnel goes nowhere, until the next start."""
    pair = Pair(lab, options).up()
    net = pair.net
    route_in_clear(net)
    pair.expect_traffic()
    pair.a.stop(signal.SIGKILL)
    with Wire(lab, net.net) as middle:
        expect(ping(net.client_a, "10.2.0.10", 2)[0] == 0, "a ping crossed after kill -9")
        expect(ping(net.gw_a, TwoGateways.OUTER_B, 1)[0] == 1, "what no policy covers must pass")
    clear = [line for line in middle.packets if "10.2.0.10" in line]
    expect(not clear, f"on the wire: {clear}")
    pair.a.start()
    pair.a.wait_up("office")
    wait_until(lambda: ping(net.client_a, "10.2.0.10", 1)[0] == 1, 10, "traffic")
    pair.a.stop(signal.SIGKILL)
    pair.a.start()
    pair.a.wait_up("office")
    pair.expect_traffic()
    expect(pair.a.stop() == 0, pair.a.log)
    expect_clean(pair.a)
    rest = net.gw_a.ip("route", "show", "table", "all").stdout
    expect("unreachable 10.2" not in rest, rest)


def no_nftables(lab, options):
    """Without nftables: one clear line in log and status, and the tunnel works."""
    pair = Pair(lab, options)
    pair.a.wrapper = ["unshare", "-m", "sh", "-c",
                      'mount --bind /dev/null /usr/sbin/nft && exec "$@"', "sh"]
    pair.up()
    pair.expect_traffic()
    expect("nft" in pair.a.log, pair.a.log)
    notes = pair.a.status()["notes"]
    expect(len(notes) == 1 and "in clear" in notes[0], str(notes))
    for verb in (["status"], ["status", "office"]):
        expect("note: " in pair.a.cli(*verb, check=False).stdout, f"{verb} has no note")
    expect(pair.a.stop() == 0, pair.a.log)


def host_traffic(lab, options):
    """ICMP, TCP and UDP of the two machines, IPv4 and IPv6, from any socket: all in ESP."""
    for address_a, address_b in ((TwoGateways.OUTER_A, TwoGateways.OUTER_B), (OUTER6_A, OUTER6_B)):
        with Lab("caph") as part:
            carry_everything(part, options, address_a, address_b)


def carry_everything(lab, options, address_a, address_b):
    hosts = Hosts(lab, options, address_a, address_b).up()
    net = hosts.net
    log = f"\n{hosts.a.log}\n{hosts.b.log}"
    with Wire(lab, net.net) as middle:
        for one, other, address, own in ((net.gw_a, net.gw_b, address_b, address_a),
                                         (net.gw_b, net.gw_a, address_a, address_b)):
            expect(ping(one, address, 3)[0] == 3, f"ping to {address}{log}")
            expect(tcp_crosses(one, other, address, 8080), f"TCP to {address}{log}")
            expect(tcp_crosses(one, other, address, 8081, (own, 0)), f"TCP bound to {own}{log}")
            expect(udp_crosses(one, other, address, 8082), f"UDP to {address}{log}")
            expect(udp_crosses(one, other, address, 8083, (own, 5000)), f"UDP bound to {own}{log}")
    bare = middle.protocols & {"ICMP", "TCP", "UDP"}
    clear = [line for line in middle.packets if line.split("\t")[0] in bare
             or ("ICMPv6" in line and "Echo" in line)]
    expect("ESP" in middle.protocols and not clear, f"on the wire: {clear[:5]}")
    for gateway in (hosts.a, hosts.b):
        expect(not drops(gateway, "clear_unprotected"), str(gateway.status()["drops"]))
    if ":" in address_a:
        return
    sent = inject(net.net, address_b, address_a)
    wait_until(lambda: drops(hosts.a, "clear_unprotected") == sent, 5, "the spoofed packets")


def host_ports(lab, options):
    """`ports` narrows: those are in ESP, the rest in clear; those in clear are refused."""
    for address_a, address_b in ((TwoGateways.OUTER_A, TwoGateways.OUTER_B), (OUTER6_A, OUTER6_B)):
        with Lab("caph") as part:
            carry_ports(part, options, address_a, address_b)


def carry_ports(lab, options, address_a, address_b):
    hosts = Hosts(lab, options, address_a, address_b, 'ports = ["tcp/5432", "udp/6000-6010"]\n')
    hosts.up()
    net = hosts.net
    with Wire(lab, net.net) as middle:
        for one, other, address in ((net.gw_a, net.gw_b, address_b),
                                    (net.gw_b, net.gw_a, address_a)):
            expect(tcp_crosses(one, other, address, 5432), f"TCP 5432 to {address}\n{hosts.a.log}")
            expect(udp_crosses(one, other, address, 6005), f"UDP 6005 to {address}\n{hosts.a.log}")
    expect("ESP" in middle.protocols and not middle.protocols & {"TCP", "UDP", "PGSQL"},
           f"on the wire: {middle.packets[:5]}")
    with Wire(lab, net.net) as middle:
        expect(tcp_crosses(net.gw_a, net.gw_b, address_b, 8080), "TCP 8080 must pass")
        expect(udp_crosses(net.gw_a, net.gw_b, address_b, 8080), "UDP 8080 must pass")
        expect(ping(net.gw_a, address_b, 2)[0] == 2, "ping must pass")
    expect("TCP" in middle.protocols and "ESP" not in middle.protocols,
           f"on the wire: {middle.protocols}")
    # B forgets: what A wants protected must not come in clear.
    hosts.b.stop()
    before = drops(hosts.a, "clear_unprotected")
    expect(not udp_crosses(net.gw_b, net.gw_a, address_a, 6005), "UDP 6005 in clear")
    expect(drops(hosts.a, "clear_unprotected") > before, str(hosts.a.status()["drops"]))
    expect(udp_crosses(net.gw_b, net.gw_a, address_a, 8080), "UDP 8080 in clear")


def large_datagrams(lab, options):
    """What is larger than the MTU enters the TUN in fragments, goes into ESP whole, and arrives;
    with `ports` too, where later fragments do not show whether they are meant."""
    for address_a, address_b in ((TwoGateways.OUTER_A, TwoGateways.OUTER_B), (OUTER6_A, OUTER6_B)):
        for ports in ("", 'ports = ["udp/6000-6010"]\n'):
            with Lab("caph") as part:
                carry_large(part, options, address_a, address_b, ports)


def carry_large(lab, options, address_a, address_b, ports):
    hosts = Hosts(lab, options, address_a, address_b, ports).up()
    net = hosts.net
    log = f"\n{hosts.a.log}\n{hosts.a.status()}\n{hosts.b.status()}"
    with Wire(lab, net.net) as middle:
        for one, other, address in ((net.gw_a, net.gw_b, address_b),
                                    (net.gw_b, net.gw_a, address_a)):
            for size in (1500, 4000, 65000):
                expect(udp_crosses(one, other, address, 6005, size=size),
                       f"{size} octets to {address}{log}")
    expect("ESP" in middle.protocols and "UDP" not in middle.protocols,
           f"on the wire: {middle.packets[:9]}")
    if ports:
        with Wire(lab, net.net) as middle:
            expect(udp_crosses(net.gw_a, net.gw_b, address_b, 8080, size=4000), "UDP 8080" + log)
        expect("UDP" in middle.protocols and "ESP" not in middle.protocols,
               f"on the wire: {middle.packets[:9]}")
    for gateway in (hosts.a, hosts.b):
        for name in ("clear_fragment", "clear_fragment_limit", "clear_too_big", "clear_queue_full",
                     "io_send_failed", "io_queue_full"):
            expect(not drops(gateway, name), str(gateway.status()["drops"]))


def host_limits(lab, options):
    """What docs/guide/host-to-host.md says of traffic that tries to go round the tunnel."""
    hosts = Hosts(lab, options, TwoGateways.OUTER_A, TwoGateways.OUTER_B).up()
    net = hosts.net
    net.gw_a.ip("addr", "add", "203.0.113.7/24", "dev", "eth1")
    with Wire(lab, net.net) as middle:
        done = net.gw_a.run("ping", "-n", "-c", "2", "-W", "1", "-I", "eth1", TwoGateways.OUTER_B,
                            check=False)
        expect(done.returncode != 0, f"a socket bound to the device got through:\n{done.stdout}")
        done = net.gw_a.run("ping", "-n", "-c", "2", "-W", "1", "-I", "203.0.113.7",
                            TwoGateways.OUTER_B, check=False)
        expect(done.returncode != 0, f"another address got through:\n{done.stdout}")
    expect("ICMP" not in middle.protocols, str(middle.packets))
    wait_until(lambda: drops(hosts.a, "clear_no_policy") >= 2, 5, "the named drop")
    # Past routing: with the mark of Caponier's own sockets nothing keeps a packet in; B refuses it.
    mark = (hosts.a.folder / "run" / "route-table").read_text().strip()
    net.gw_a.run("ping", "-n", "-c", "2", "-W", "1", "-m", mark, TwoGateways.OUTER_B, check=False)
    wait_until(lambda: drops(hosts.b, "clear_unprotected") == 2, 5, "B's refusal")
    expect(ping(net.gw_a, TwoGateways.OUTER_B, 2)[0] == 2, hosts.a.log)


def several_guests(lab, options):
    """[host] with remote = "any": two peers at once, and what goes to each is in ESP."""
    net = TwoGateways(lab)
    third = lab.host("third")
    lab.link(third, "192.0.2.9/24", net.net, "192.0.2.254/24")
    third.ip("route", "add", "default", "via", "192.0.2.254")
    text = '[host.peer]\nremote = "{}"\npsk = "@office"\n'
    b = Caponier(lab, net.gw_b, text.format("any"), {"office": PSK}, options.bin).start()
    guests = [Caponier(lab, host, text.format(net.OUTER_B), {"office": PSK}, options.bin)
              for host in (net.gw_a, third)]
    for guest in guests:
        guest.start()
        guest.wait_up("peer")
    wait_until(lambda: len(b.status("peer")["children"]) == 2, 20, "both")
    with Wire(lab, net.net, net.net_side_b) as middle:
        for host, address in ((net.gw_a, net.OUTER_A), (third, "192.0.2.9")):
            expect(ping(host, net.OUTER_B, 2)[0] == 2, f"from {address}\n{b.log}")
            expect(ping(net.gw_b, address, 2)[0] == 2, f"to {address}\n{b.log}")
    expect("ESP" in middle.protocols and "ICMP" not in middle.protocols, str(middle.packets))


def host_on_link(lab, options):
    """Two IPv6 hosts on one link: neighbour discovery goes on below the policies."""
    a, b = lab.host("host-a"), lab.host("host-b")
    lab.link(a, "10.9.0.1/24", b, "10.9.0.2/24")
    for host, address in ((a, "fd09::1/64"), (b, "fd09::2/64")):
        host.ip("addr", "add", address, "dev", "eth0", "nodad")
    text = '[host.peer]\nremote = "{}"\npsk = "@office"\n'
    one = Caponier(lab, a, text.format("fd09::2"), {"office": PSK}, options.bin)
    two = Caponier(lab, b, text.format("fd09::1"), {"office": PSK}, options.bin)
    two.start()
    one.start()
    one.wait_up("peer")
    expect(ping(a, "fd09::2", 3)[0] == 3, one.log)
    for host in (a, b):
        host.ip("-6", "neigh", "flush", "dev", "eth0")
    expect(ping(a, "fd09::2", 3)[0] == 3, f"after a flush of the neighbours\n{one.log}")
    expect(not drops(one, "clear_unprotected"), str(one.status()["drops"]))


def mixed_families(lab, options):
    """Either family inside either family outside."""
    for outer_a, outer_b in ((TwoGateways.OUTER_A, TwoGateways.OUTER_B), (OUTER6_A, OUTER6_B)):
        with Lab("caph") as part:
            net = TwoGateways(part)
            add_ipv6(net)
            both = [site(outer, "LOCAL", "REMOTE").replace('"LOCAL"', local).replace(
                '"REMOTE"', remote) for outer, local, remote in (
                    (outer_b, '"10.1.0.0/24", "fd01::/64"', '"10.2.0.0/24", "fd02::/64"'),
                    (outer_a, '"10.2.0.0/24", "fd02::/64"', '"10.1.0.0/24", "fd01::/64"'))]
            a = Caponier(part, net.gw_a, both[0], {"office": PSK}, options.bin)
            b = Caponier(part, net.gw_b, both[1], {"office": PSK}, options.bin)
            b.start()
            a.start()
            a.wait_up("office")
            for address in ("10.2.0.10", "fd02::10"):
                expect(ping(net.client_a, address, 3)[0] == 3, f"{address} over {outer_b}\n{a.log}")
                expect(tcp_crosses(net.client_a, net.client_b, address, 8080),
                       f"TCP to {address} over {outer_b}")


def drops_by_name(lab, options):
    """Status tells drops by name: of each SA, of each worker, of all, with what they mean."""
    pair = Pair(lab, options, extra_a='start = false\nencap = "native"\n', extra_b="start = false\n")
    pair.b.start()
    pair.a.start()
    net = pair.net
    pair.b.stop()
    ping(net.client_a, "10.2.0.10", 1)
    # Only after it has waited for its SA in vain.
    wait_until(lambda: drops(pair.a, "clear_queue_full"), 15, "the drop")
    status = pair.a.status()
    of_workers = [worker["drops"].get("clear_queue_full", 0) for worker in status["workers"]]
    expect(sum(of_workers) == status["drops"]["clear_queue_full"], str(status))
    pair.b.start()
    pair.a.cli("up", "office", "--wait", "10s")
    wire = lab.folder / "replayed.pcap"
    dump = capture(net.net, "eth0", wire)
    pair.expect_traffic()
    finish_capture(lab, dump)
    replay(net, wire)
    wait_until(lambda: pair.a.status("office")["children"][0]["drops"].get("esp_replay"), 5,
               "the replayed packets")
    shown = pair.a.cli("status", "office").stdout
    expect("esp_replay packets: The sequence number was seen" in shown, shown)
    document = json.loads(pair.a.cli("status", "office", "--json").stdout)
    rows = {row["name"]: row for row in document["drop_table"]}
    expect(rows["esp_replay"]["count"] > 0 and rows["esp_replay"]["unit"] == "packets", str(rows))


def replay(net, wire):
    """Sends the ESP packets of B to A once more."""
    lines = run(["tshark", "-r", str(wire), "-Y", f"esp && ip.src == {net.OUTER_B}", "-T", "fields",
                 "-e", "esp.spi", "-e", "esp.sequence", "-e", "ip.len"]).stdout.splitlines()
    expect(lines, "no ESP was captured")
    out = in_namespace(net.net.netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                                            socket.IPPROTO_RAW))
    with out:
        for line in lines:
            spi, sequence, size = line.split()
            esp = struct.pack("!II", int(spi, 16), int(sequence)) + bytes(int(size) - 28)
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, int(size), 1, 0, 64, 50, 0,
                               socket.inet_aton(net.OUTER_B), socket.inet_aton(net.OUTER_A))
            out.sendto(head + esp, (net.OUTER_A, 0))


def trace(lab, options):
    """`debug trace` follows packets through policy, SA, crypto and verdict."""
    pair = Pair(lab, options, extra_a='\n[site.other]\nremote = "198.51.100.77"\npsk = "@office"\n'
                'local_nets = ["10.1.0.0/24"]\nremote_nets = ["10.9.0.0/24"]\n',
                extra_b='start = false\nencap = "native"\n').up()
    net = pair.net

    def traced(name, *arguments):
        log = lab.folder / f"{name}.log"
        process = net.gw_a.start(name, [
            str(pair.a.bin / "caponier"), "--run-dir", str(pair.a.folder / "run"), "debug", "trace",
            *arguments], log)
        time.sleep(0.5)
        ping(net.client_a, "10.9.0.10", 1)
        pair.expect_traffic(2)
        time.sleep(0.3)
        expect(lab.stop(process, signal.SIGINT) == 0, log.read_text())
        return log.read_text()

    said = traced("documents", "--json")
    records = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    pings = [one for one in records if one["inner"] and one["inner"]["protocol"] == 1]
    held = [one for one in pings if one["verdict"] == "held"]
    expect([one["peer"] for one in held] == ["other"], said)
    out = [one for one in pings if one["direction"] == "out" and one["verdict"] == "forward"]
    back = [one for one in pings if one["direction"] == "in"]
    expect(len(out) == 2 and len(back) == 2, said)
    for one in out + back:
        expect(one["peer"] == "office" and one["policy"] == "protect" and one["crypto"] == "done"
               and one["outer"]["transport"] == "native", said)
    children = pair.a.status("office")["children"]
    expect({one["spi"] for one in out} <= {child["spi_out"] for child in children}, said)
    expect({one["spi"] for one in back} <= {child["spi_in"] for child in children}, said)
    said = traced("lines", "--peer", "office", "--count", "4")
    lines = [line for line in said.splitlines() if " | " in line]
    expect(len(lines) == 4 and "other" not in said, said)
    expect("icmp 10.1.0.10 -> 10.2.0.10 type 8" in lines[0] and "policy protect office" in lines[0]
           and "sa office spi" in lines[0] and "sealed | forward" in lines[0], said)
    expect("icv right, decrypted | forward" in lines[1], said)
    said = traced("some", "--peer", "office", "--sample", "2")
    expect(len([line for line in said.splitlines() if " | " in line]) == 2, said)


CASES = [spoofed_source, translated_destination, emptied_filter, killed_is_closed, no_nftables,
         host_traffic, host_ports, large_datagrams, host_limits, host_on_link, several_guests, mixed_families,
         drops_by_name, trace]


def main():
    cases = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=cases)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("caph") as lab:
        try:
            code = cases[options.case](lab, options) or 0
        except LabError as error:
            print(error)
            return 1
    print("passed" if code == 0 else "")
    return code


if __name__ == "__main__":
    sys.exit(main())
