#!/usr/bin/env python3
"""The clear side by packet sockets: what it carries, what it leaves to the TUN, and what it leaves
behind. One case per call.

  test_afpacket.py CASE --bin DIR
"""
import argparse
import os
import re
import signal
import sys
import threading
import time

from test_speed import (ADDRESS_A, ADDRESS_B, PYTHON, RECEIVE, SEND, Pair, expect,
                        expect_in_order)
from lab import Caponier, Lab, LabError, capture, finish_capture, ping, run, wait_until

PACKET = '[daemon]\nclear_side = "packet"\nclear_interfaces = ["eth0"]\n'


def make_pair(lab, options, workers=1):
    # Only A begins: of two tunnels one would go, and with it what is on its way.
    return Pair(lab, options, 'encap = "always"\n',
                f"{PACKET}workers = {workers}\npin_workers = true\n", "start = false\n")


def tun_packets(gateway):
    """What the kernel has handed to the TUN and taken from it."""
    folder = "/sys/class/net/caponier0/statistics"
    text = gateway.host.run("cat", f"{folder}/tx_packets", f"{folder}/rx_packets").stdout
    return sum(map(int, text.split()))


def taken_tables(gateway):
    return re.findall(r"caponier-\w+-taken", gateway.host.run("nft", "list", "tables").stdout)


def warm(pair):
    """Neighbours are known, and the lanes know that."""
    for family in (4, 6):
        pair.transfer(family, 1)
        pair.transfer(family, 1, back=True)


def drops(gateway):
    """Of packets; without the host's own multicast, which is no traffic of ours."""
    return {name: count for name, count in gateway.status()["drops"].items()
            if count and name != "clear_no_policy" and not name.startswith("ike_")}


def expect_without_tun(pair, packets_max, what):
    """`what` leaves the TUNs alone, but for the odd packet of the kernel's own, and loses nothing."""
    before = [(tun_packets(gateway), drops(gateway)) for gateway in (pair.a, pair.b)]
    what()
    after = [(tun_packets(gateway), drops(gateway)) for gateway in (pair.a, pair.b)]
    for (tun, dropped), (tun_now, dropped_now) in zip(before, after):
        expect(tun_now - tun <= packets_max, f"a TUN carried {tun_now - tun} packets")
        expect(dropped_now == dropped, f"dropped: {dropped}, then {dropped_now}")


def both_ways(family):
    def case(lab, options):
        """TCP arrives complete, in order and with good checksums, and not by the TUN."""
        pair = make_pair(lab, options)
        warm(pair)

        def work():
            pair.transfer(family, 96)
            pair.transfer(family, 96, back=True)
        expect_in_order(pair, lambda: expect_without_tun(pair, 40, work))
    case.__name__ = f"both_ways_v{family}"
    return case


def datagrams(family):
    def case(lab, options):
        """Datagrams that the sender's kernel left merged arrive one by one, whole and in order."""
        pair = make_pair(lab, options)
        warm(pair)
        expected = []
        for size, count in ((1000, 40), (200, 50), (1300, 30), (50, 60)):
            for i in range(count):
                length = size if i + 1 < count else size // 2 + 8
                expected.append([str(len(expected)), str(length), "1"])
        log = lab.folder / "datagrams.log"
        receiver = pair.net.client_b.start("receiver", [PYTHON, "-c", RECEIVE, ADDRESS_B[family],
                                                        str(len(expected))], log)
        wait_until(lambda: "ready" in log.read_text(), 10, "the receiver")
        expect_without_tun(pair, 10, lambda: pair.net.client_a.run(PYTHON, "-c", SEND,
                                                                   ADDRESS_B[family]))
        receiver.wait(15)
        got = [line.split() for line in log.read_text().splitlines()[1:]]
        expect(got == expected, f"{len(got)} of {len(expected)}: {got}")
    case.__name__ = f"datagrams_v{family}"
    return case


RECEIVE_HOPS = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
level, option = (socket.IPPROTO_IPV6, 51) if family == socket.AF_INET6 else (socket.IPPROTO_IP, 12)
s.setsockopt(level, option, 1)
s.bind((sys.argv[1], 7012))
print("ready", flush=True)
s.settimeout(10)
_, control, _, _ = s.recvmsg(100, 100)
print(int.from_bytes(control[0][2], "little"))
"""
SEND_HOPS = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
level, option = (socket.IPPROTO_IPV6, 16) if family == socket.AF_INET6 else (socket.IPPROTO_IP, 2)
s.setsockopt(level, option, int(sys.argv[2]))
level, option = (socket.IPPROTO_IPV6, 25) if family == socket.AF_INET6 else (socket.IPPROTO_IP, 11)
s.setsockopt(level, option, 1)
s.connect((sys.argv[1], 7012))
s.send(b"a")
s.settimeout(1)
try:
    s.recv(100)
except TimeoutError:
    print("silence")
except OSError:
    try:
        _, control, _, sender = s.recvmsg(100, 500, 0x2000)
        print(int.from_bytes(control[0][2][4:5], "little"), int.from_bytes(control[0][2][5:6], "little"))
    except BlockingIOError:
        print("error")
"""


def hops(lab, options):
    """Each gateway takes one hop, and where none is left the kernel tells the sender."""
    pair = make_pair(lab, options)
    warm(pair)
    for family, exceeded in ((4, "2 11"), (6, "3 3")):
        log = lab.folder / f"hops-{family}.log"
        receiver = pair.net.client_b.start("receiver", [PYTHON, "-c", RECEIVE_HOPS,
                                                        ADDRESS_B[family]], log)
        wait_until(lambda: "ready" in log.read_text(), 10, "the receiver")
        for ttl in (1, 2):  # ends at gateway A, and at gateway B
            said = pair.net.client_a.run(PYTHON, "-c", SEND_HOPS, ADDRESS_B[family],
                                         str(ttl)).stdout.strip()
            expect(said == exceeded, f"IPv{family} with {ttl} hops: {said!r}")
        pair.net.client_a.run(PYTHON, "-c", SEND_HOPS, ADDRESS_B[family], "64")
        receiver.wait(15)
        got = log.read_text().split()[1:]
        expect(got == ["62"], f"of 64 hops {got} are left")


SEND_LARGE = """
import errno, socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
level, option = (socket.IPPROTO_IPV6, 23) if family == socket.AF_INET6 else (socket.IPPROTO_IP, 10)
s.setsockopt(level, option, 2)  # always DF
s.connect((sys.argv[1], 7013))
for _ in range(20):
    try:
        s.send(bytes(1440))
    except OSError as error:
        if error.errno == errno.EMSGSIZE:
            print("too large")
            break
    time.sleep(0.1)
"""


def too_large(lab, options):
    """A datagram that does not fit the tunnel is answered with its size."""
    pair = make_pair(lab, options)
    warm(pair)
    for family in (4, 6):
        said = pair.net.client_a.run(PYTHON, "-c", SEND_LARGE, ADDRESS_B[family]).stdout.strip()
        expect(said == "too large", f"IPv{family}: {said!r}")


def unknown_neighbour(lab, options):
    """What has no known neighbour goes by the TUN, which makes the kernel find it; then no more."""
    pair = make_pair(lab, options)
    warm(pair)
    gateway = pair.net.gw_b
    for family in (4, 6):
        before = tun_packets(pair.b)
        gateway.ip("neigh", "del", ADDRESS_B[family], "dev", "eth0")
        pair.transfer(family, 4)
        expect(tun_packets(pair.b) > before, "nothing went by the TUN")
        expect_without_tun(pair, 20, lambda: pair.transfer(family, 32))
    # Another card: the client says so by asking for the gateway.
    pair.net.client_b.ip("link", "set", "eth0", "address", "02:00:00:00:00:77")
    pair.net.client_b.ip("neigh", "flush", "dev", "eth0")
    expect(ping(pair.net.client_b, "10.2.0.1")[0] > 0, "the client does not reach its gateway")
    wait_until(lambda: "02:00:00:00:00:77" in gateway.ip("neigh", "show", ADDRESS_B[4]).stdout, 5,
               "the kernel to learn the new address")
    expect_without_tun(pair, 20, lambda: pair.transfer(4, 32))


def other_traffic(lab, options):
    """What packet sockets do not carry still passes: the gateway's own, fragments, pings."""
    pair = make_pair(lab, options)
    warm(pair)
    expect(ping(pair.net.gw_a, "10.2.0.10")[0] == 3, "the gateway itself does not get through")
    expect(ping(pair.net.client_a, "10.2.0.1")[0] == 3, "the other gateway is not reached")
    received = pair.net.client_a.run("ping", "-n", "-q", "-c", "3", "-i", "0.05", "-s", "4000", "-M",
                                     "dont", "10.2.0.10", check=False).stdout
    expect("3 received" in received, received)


def nothing_in_clear(lab, options):
    """Whatever ends: no packet between the networks leaves on the outside."""
    pair = make_pair(lab, options)
    path = lab.folder / "outside.pcap"
    process = capture(pair.net.gw_a, "eth1", path)
    warm(pair)
    pair.b.stop(signal.SIGKILL)
    pings(pair)
    pair.a.stop(signal.SIGKILL)
    pings(pair)
    pair.a.start()  # wants a tunnel that does not come up
    pings(pair)
    finish_capture(lab, process)
    seen = run(["tcpdump", "-n", "-r", str(path)], check=False).stdout
    expect("4500" in seen, "nothing was captured")
    clear = [line for line in seen.splitlines() if "10.2.0." in line or "fd02::" in line]
    expect(not clear, f"in clear: {clear}")


def pings(pair):
    """Attempts that need not succeed; also by TCP, which is what is taken."""
    for family in (4, 6):
        ping(pair.net.client_a, ADDRESS_B[family], count=1)
        pair.net.client_a.run("timeout", "1", PYTHON, "-c", "import socket, sys\n"
                              f"socket.create_connection(('{ADDRESS_B[family]}', 5001), 1)",
                              check=False)


def cleanup(lab, options):
    """The rules go with the process; those of a killed one by its successor, whatever it uses."""
    pair = make_pair(lab, options)
    warm(pair)
    expect(len(taken_tables(pair.a)) == 2, f"tables: {taken_tables(pair.a)}")
    pair.a.stop(signal.SIGKILL)
    expect(len(taken_tables(pair.a)) == 2, "they vanished by themselves")
    pair.a.start().wait_up("office")
    expect(len(taken_tables(pair.a)) == 2, f"tables: {taken_tables(pair.a)}")
    warm(pair)
    expect_without_tun(pair, 40, lambda: pair.transfer(4, 32))
    pair.a.stop(signal.SIGKILL)
    pair.a.config.write_text(pair.a.config.read_text().replace('"packet"', '"tun"'))
    pair.a.start().wait_up("office")
    expect(not taken_tables(pair.a), f"left: {taken_tables(pair.a)}")
    pair.transfer(4, 4)
    expect(pair.b.stop() == 0, "it did not end well")
    expect(not taken_tables(pair.b), f"left: {taken_tables(pair.b)}")


def emptied_filter(lab, options):
    """Without our rules everything goes by the TUN, and the rules come back."""
    pair = make_pair(lab, options)
    warm(pair)
    pair.net.gw_a.run("nft", "flush", "ruleset")
    wait_until(lambda: len(taken_tables(pair.a)) == 2, 5, "the rules to come back")
    pair.transfer(4, 8)
    expect_without_tun(pair, 20, lambda: pair.transfer(4, 32))


def cpu_seconds(gateway):
    fields = gateway.host.run("cat", f"/proc/{gateway.process.pid}/stat").stdout.rsplit(")", 1)[1]
    return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")


def link_fails(lab, options):
    """An interface that goes down and comes up again is used again; nobody spins meanwhile."""
    pair = make_pair(lab, options)
    warm(pair)
    pair.net.gw_b.ip("link", "set", "eth0", "down")
    before = cpu_seconds(pair.b)
    time.sleep(1)
    expect(cpu_seconds(pair.b) - before < 0.5, "busy without an interface")
    pair.net.gw_b.ip("link", "set", "eth0", "up")
    wait_until(lambda: ping(pair.net.client_a, ADDRESS_B[4], count=1)[0], 10, "the link")
    pair.transfer(4, 1)
    expect_without_tun(pair, 40, lambda: pair.transfer(4, 32))
    # For good: what is left is the TUN, and with it the other interfaces.
    pair.net.gw_b.ip("link", "del", "eth0")
    before = cpu_seconds(pair.b)
    time.sleep(1)
    expect(cpu_seconds(pair.b) - before < 0.5, "busy without an interface")
    expect(ping(pair.net.client_a, "10.1.0.1")[0] == 3, "the near gateway is gone")
    expect(pair.b.stop() == 0, "it did not end well")
    expect(not taken_tables(pair.b), f"left: {taken_tables(pair.b)}")


def two_workers(lab, options):
    """Several flows at once, over two workers, each in order."""
    pair = make_pair(lab, options, workers=2)
    warm(pair)
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
    expect_in_order(pair, lambda: expect_without_tun(pair, 60, work))
    expect(not failures, failures)


def refused(lab, options):
    """What cannot be is said with its place and cure."""
    host = lab.host("gw")
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "add", "port0", "type", "veth", "peer", "name", "port1")
    host.ip("link", "set", "port0", "master", "br0")
    for name, wanted in (("nope0", "there is no interface nope0"),
                         ("lo", "lo is no Ethernet interface"),
                         ("port0", "port0 is part of a bridge")):
        daemon = Caponier(lab, host, PACKET.replace("eth0", name), {}, options.bin)
        try:
            daemon.start()
        except LabError as error:
            expect(wanted in str(error) and "fix: " in str(error), str(error))
        else:
            raise LabError(f"{name} was taken")
        run(["rm", "-r", str(daemon.folder)])


CASES = [both_ways(4), both_ways(6), datagrams(4), datagrams(6), hops, too_large, unknown_neighbour,
         other_traffic, nothing_in_clear, cleanup, emptied_filter, link_fails, two_workers, refused]


def main():
    cases = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=cases)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capk") as lab:
        try:
            code = cases[options.case](lab, options) or 0
        except LabError as error:
            print(error)
            code = 1
    print("passed" if code == 0 else "failed")
    return code


if __name__ == "__main__":
    sys.exit(main())
