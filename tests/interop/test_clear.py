#!/usr/bin/env python3
"""Clear packets: those that no policy names, fragments, ICMP errors; and what is told of drops.

  test_clear.py CASE --bin DIR
"""
import argparse
import json
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Lab, LabError, TwoGateways, capture, finish_capture, ping, wait_until  # noqa: E402
from guest import in_namespace  # noqa: E402
from test_daemon import Pair, expect  # noqa: E402
from test_host import (OUTER6_A, Wire, add_ipv6, checksum, drops, replay,  # noqa: E402
                       route_in_clear, tables, tcp_crosses)

ADMIN_PORT = 2222


def send_raw(host, packets, destination):
    """Whole IPv4 packets."""
    out = in_namespace(host.netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                                         socket.IPPROTO_RAW))
    with out:
        for packet in packets:
            out.sendto(packet, (destination, 0))


def ipv4(protocol, source, destination, body, identification=1, fragment=0):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), identification, fragment, 64,
                       protocol, 0, socket.inet_aton(source), socket.inet_aton(destination)) + body


def change(gateway, before, after):
    gateway.config.write_text(gateway.config.read_text().replace(before, after))
    gateway.cli("reload")


# -- cases


def closed(lab, options):
    """unmatched = "discard": tunnel, IKE and neighbour discovery go on, and what a policy names;
    nothing else comes in, is forwarded or leaves. A reload opens it again."""
    pair = Pair(lab, options, extra_a=f"""
        [daemon]
        unmatched = "discard"
        [[policy]]
        action = "bypass"
        local = ["{TwoGateways.OUTER_A}"]
        protocol = "tcp"
        local_ports = ["{ADMIN_PORT}"]
        """)
    add_ipv6(pair.net)
    pair.up()
    net = pair.net
    pair.expect_traffic()
    expect(ping(net.net, TwoGateways.OUTER_A, 2)[0] == 0, "an echo request came in")
    expect(ping(net.gw_a, TwoGateways.OUTER_B, 2)[0] == 0, "an echo request left")
    expect(ping(net.client_a, "203.0.113.254", 2)[0] == 0, "an echo request was forwarded")
    expect(drops(pair.a, "clear_unmatched") >= 6, str(pair.a.status()["drops"]))
    expect(tcp_crosses(net.net, net.gw_a, TwoGateways.OUTER_A, ADMIN_PORT, size=2000),
           "what the policy names must come in")
    expect(not tcp_crosses(net.net, net.gw_a, TwoGateways.OUTER_A, ADMIN_PORT + 1, size=2000),
           "another port is open")
    expect(ping(net.gw_a, "127.0.0.1", 1)[0] == 1, "the loopback interface is closed")
    net.net.ip("-6", "neigh", "flush", "dev", "eth0")
    ping(net.net, OUTER6_A, 1)
    known = net.net.ip("-6", "neigh", "show", OUTER6_A).stdout
    expect("lladdr" in known, f"no neighbour discovery: {known}")
    pair.a.cli("down", "office")
    pair.a.cli("up", "office", "--wait", "10s")
    pair.expect_traffic()
    change(pair.a, '"discard"', '"pass"')
    expect(ping(net.net, TwoGateways.OUTER_A, 2)[0] == 2, "a reload must open it")
    expect(ping(net.gw_a, TwoGateways.OUTER_B, 2)[0] == 2, "both ways")
    pair.expect_traffic()
    change(pair.a, '"pass"', '"discard"')
    expect(ping(net.net, TwoGateways.OUTER_A, 1)[0] == 0, "a reload must close it")
    expect(pair.a.stop() == 0, pair.a.log)
    expect("caponier" not in tables(net.gw_a), tables(net.gw_a))


def later_fragments(lab, options):
    """Behind a policy that protects a port: a later fragment in clear might be its traffic and is
    dropped, unless the kernel has put the packet together and its ports are to be seen."""
    nets = 'local = ["10.1.0.0/24"]\nremote = ["10.2.0.0/24"]\nprotocol = "udp"\n'
    pair = Pair(lab, options, extra_a=f"""
        [[policy]]
        action = "protect"
        peer = "office"
        {nets}remote_ports = ["5000"]
        [[policy]]
        action = "bypass"
        {nets}""").up()
    net = pair.net
    route_in_clear(net)
    datagram = struct.pack("!HHHH", 6000, 7000, 8 + 1200, 0) + bytes(1200)
    fragments = [ipv4(17, "10.2.0.10", "10.1.0.10", datagram[:600], 77, 0x2000),
                 ipv4(17, "10.2.0.10", "10.1.0.10", datagram[600:], 77, 600 // 8)]
    with Wire(lab, net.client_a) as inside:
        send_raw(net.net, fragments[1:], "10.1.0.10")
        time.sleep(0.3)
    expect(not [line for line in inside.packets if "10.2.0.10" in line or "ragment" in line],
           str(inside.packets))
    expect(drops(pair.a, "clear_unprotected") == 1, str(pair.a.status()["drops"]))
    net.gw_a.run("nft", "-f", "-", text_input="""
        table ip tracked {
          chain pre { type filter hook prerouting priority 0; ct state new accept; }
        }""")
    receiver = in_namespace(net.client_a.netns,
                            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with receiver:
        receiver.bind(("10.1.0.10", 7000))
        receiver.settimeout(3)
        send_raw(net.net, fragments, "10.1.0.10")
        expect(len(receiver.recv(4096)) == 1200, "the datagram in two fragments")
    pair.expect_traffic()


def router_errors(lab, options):
    """The ICMP error of a router behind the other gateway, whose address is in no selector, reaches
    the sender through the tunnel."""
    pair = Pair(lab, options)
    net = pair.net
    router = lab.host("router")
    lab.link(router, "172.16.5.1/24", net.gw_b, "172.16.5.2/24")
    router.forward()
    router.ip("route", "add", "10.1.0.0/24", "via", "172.16.5.2")
    net.gw_b.ip("route", "add", "10.2.0.128/25", "via", "172.16.5.1")
    pair.up()
    pair.expect_traffic()
    with Wire(lab, net.net) as middle:
        said = net.client_a.run("ping", "-n", "-c", "2", "-W", "2", "10.2.0.200", check=False).stdout
    expect("From 172.16.5.1" in said and "nreachable" in said, said)
    expect(not [line for line in middle.packets if "nreachable" in line], str(middle.packets))


def refused_icmp(lab, options):
    """A policy about ICMP holds for errors about ESP too, by type and code."""
    pair = Pair(lab, options, extra_a="""
        [[policy]]
        action = "discard"
        direction = "in"
        protocol = "icmp"
        types = ["3(4)"]
        """).up()
    net = pair.net

    def error(code):
        quoted = ipv4(50, TwoGateways.OUTER_A, TwoGateways.OUTER_B, bytes(8))
        body = struct.pack("!BBHHH", 3, code, 0, 0, 600) + quoted
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        return ipv4(1, "203.0.113.254", TwoGateways.OUTER_A, body)

    send_raw(net.net, [error(1)], TwoGateways.OUTER_A)
    time.sleep(0.3)
    expect(drops(pair.a, "clear_policy_discard") == 0, str(pair.a.status()["drops"]))
    unproven = drops(pair.a, "esp_icmp_unproven")
    send_raw(net.net, [error(4)] * 3, TwoGateways.OUTER_A)
    wait_until(lambda: drops(pair.a, "clear_policy_discard") == 3, 5, "the drops")
    expect(drops(pair.a, "esp_icmp_unproven") == unproven, str(pair.a.status()["drops"]))
    pair.expect_traffic()


def audited(lab, options):
    """Replayed packets are told with SPI, sequence number and addresses, not more than a few of
    many; and not at all when auditing is switched off."""
    pair = Pair(lab, options, extra_a="\n[daemon]\naudit = true\nworkers = 1\n",
                extra_b="start = false\n").up()
    net = pair.net
    wire = lab.folder / "replayed.pcap"
    dump = capture(net.net, "eth0", wire)
    pair.expect_traffic(30)
    finish_capture(lab, dump)

    def entries():
        events = [json.loads(line) for line in pair.a.cli("log", "--json").stdout.splitlines()]
        return [one for one in events if one["caponier_event"] == "audit"]

    replay(net, wire)
    wait_until(lambda: drops(pair.a, "esp_replay") == 30, 5, "the replayed packets")
    told = wait_until(entries, 5, "an audit entry")
    expect(len(told) == 8, str(told))
    child = pair.a.status("office")["children"][0]
    fields = told[0]["fields"]
    expect(told[0]["caponier_peer"] == "office" and fields["reason"] == "esp_replay"
           and fields["spi"] == child["spi_in"] and fields["sequence"] == "1"
           and fields["source"] == TwoGateways.OUTER_B
           and fields["destination"] == TwoGateways.OUTER_A, str(told[0]))
    expect("dropped ESP" in pair.a.log, pair.a.log)
    change(pair.a, "audit = true", "audit = false")
    time.sleep(10)
    replay(net, wire)
    wait_until(lambda: drops(pair.a, "esp_replay") == 60, 5, "the replayed packets")
    expect(len(entries()) == 8, str(entries()))
    expect("restarted" not in pair.a.log, pair.a.log)
    pair.expect_traffic()


CASES = [closed, later_fragments, router_errors, refused_icmp, audited]


def main():
    cases = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=cases)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capc") as lab:
        try:
            code = cases[options.case](lab, options) or 0
        except LabError as error:
            print(error)
            return 1
    print("passed" if code == 0 else "")
    return code


if __name__ == "__main__":
    sys.exit(main())
