#!/usr/bin/env python3
"""The daemon and its command line as an administrator meets them: one case per call.

  test_daemon.py CASE --bin DIR

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import (Caponier, Flow, Lab, LabError, TwoGateways, capture, finish_capture, ping,  # noqa: E402
                 run, wait_until)
from guest import in_namespace  # noqa: E402

PSK = "9cQ2vXn5RkTz8LwYbHf3MjPd6GsAe1Uo"
OTHER_PSK = "Zt4bW8qLr2NxYk7CmVh5JpDf9GsTa3Ee"


def site(remote, local_net, remote_net, extra=""):
    return (f'[site.office]\nremote = "{remote}"\npsk = "@office"\n'
            f'local_nets = ["{local_net}"]\nremote_nets = ["{remote_net}"]\n{extra}')


class Pair:
    """Two gateways, not yet started."""

    def __init__(self, lab, options, extra_a="", extra_b="", psk_b=PSK, wrapper=(), nat=False):
        self.net = TwoGateways(lab, nat)
        self.a = Caponier(lab, self.net.gw_a,
                          site(self.net.OUTER_B, "10.1.0.0/24", "10.2.0.0/24", extra_a),
                          {"office": PSK}, options.bin, wrapper)
        self.b = Caponier(lab, self.net.gw_b,
                          site("any" if nat else self.net.OUTER_A, "10.2.0.0/24", "10.1.0.0/24",
                               extra_b), {"office": psk_b}, options.bin)

    def up(self):
        self.b.start()
        self.a.start()
        self.a.wait_up("office")
        self.b.wait_up("office")
        return self

    def expect_traffic(self, count=3):
        got = ping(self.net.client_a, "10.2.0.10", count)[0]
        expect(got == count, f"{got} of {count} pings came back\n{self.a.log}\n{self.b.log}")


def expect(condition, message):
    if not condition:
        raise LabError(message)


def expect_clean(gateway):
    links = gateway.host.ip("-o", "link").stdout
    rules = gateway.host.ip("rule").stdout + gateway.host.ip("-6", "rule").stdout
    routes = gateway.host.ip("route", "show", "table", "all").stdout
    sockets = gateway.host.run("ss", "-Hlnuwp").stdout
    expect("caponier" not in links + routes and "fwmark" not in rules and not sockets.strip(),
           f"left behind:\n{links}{rules}{routes}{sockets}")
    left = [path.name for path in (gateway.folder / "run").iterdir()]
    expect("control.sock" not in left, f"left in the run folder: {left}")


def run_daemon(gateway, *extra, wrapper=(), timeout=20):
    """Runs caponierd to its end; for calls that must fail at start."""
    return gateway.host.run(*wrapper, str(gateway.bin / "caponierd"), "--config",
                            str(gateway.config), "--run-dir", str(gateway.folder / "run"),
                            "--state-dir", str(gateway.folder / "state"), "--foreground", *extra,
                            check=False, timeout=timeout)


def expect_failure(done, code, *words):
    said = done.stdout + done.stderr
    expect(done.returncode == code, f"exit code {done.returncode}, not {code}:\n{said}")
    for word in words:
        expect(word in said, f"'{word}' is not in:\n{said}")


# -- cases


def clean_shutdown(lab, options):
    """SIGTERM deletes the SAs at the peer and leaves nothing behind."""
    pair = Pair(lab, options).up()
    pair.expect_traffic()
    expect(pair.a.stop() == 0, f"exit code {pair.a.process.returncode}\n{pair.a.log}")
    expect_clean(pair.a)
    wait_until(lambda: not pair.b.status("office")["children"], 5, "the delete to reach the peer")
    expect(pair.b.stop(signal.SIGINT) == 0, pair.b.log)
    expect_clean(pair.b)


def no_leaks(lab, options):
    """A whole life under valgrind: no error, nothing definitely lost."""
    if not shutil.which("valgrind"):
        return skip("no valgrind")
    if "asan" in str(Path(options.bin).resolve()):
        return skip("the sanitizer build checks its own leaks")
    report = lab.folder / "valgrind.txt"
    pair = Pair(lab, options, wrapper=["valgrind", "--error-exitcode=99", "--leak-check=full",
                                       "--errors-for-leak-kinds=definite,indirect",
                                       f"--log-file={report}"])
    pair.up()
    pair.expect_traffic()
    pair.a.cli("status", "office")
    pair.a.process.send_signal(signal.SIGHUP)
    pair.a.cli("down", "office")
    pair.a.cli("up", "office", "--wait", "10s")
    pair.expect_traffic()
    # `ip netns exec` is the process we know; valgrind has replaced it, so the pid is the same.
    code = lab.stop(pair.a.process, timeout=30)
    expect(code == 0, f"valgrind says:\n{report.read_text()}\n{pair.a.log}")
    return None


def second_daemon(lab, options):
    """A second daemon on the same run folder is refused; the first goes on."""
    pair = Pair(lab, options).up()
    done = run_daemon(pair.a)
    expect_failure(done, 1, "another caponierd")
    pair.expect_traffic()


def many_instances(lab, options):
    """Two daemons in one namespace, on addresses of their own, with folders of their own."""
    pair = Pair(lab, options, extra_a=f'\n[daemon]\nlisten = ["{TwoGateways.OUTER_A}"]\n').up()
    net = pair.net
    net.gw_a.ip("addr", "add", "203.0.113.2/24", "dev", "eth1")
    text = ('[site.second]\nremote = "198.51.100.2"\npsk = "@office"\nlocal = "203.0.113.2"\n'
            'local_nets = ["10.1.0.0/24"]\nremote_nets = ["10.3.0.0/24"]\n'
            '\n[daemon]\nlisten = ["203.0.113.2"]\n')
    other = Caponier(lab, Alias(net.gw_a, "second"), text, {"office": PSK}, options.bin)
    other.start()
    expect(other.status("second") is not None, "the second daemon does not answer")
    pair.expect_traffic()
    expect(other.stop() == 0, other.log)
    pair.expect_traffic()


class Alias:
    """The same host under another name, for another instance's folder."""

    def __init__(self, host, name):
        self._host, self.name = host, name

    def __getattr__(self, attribute):
        return getattr(self._host, attribute)


def no_tun_device(lab, options):
    """Without /dev/net/tun: one clear error."""
    pair = Pair(lab, options)
    done = run_daemon(pair.a, wrapper=["unshare", "-m", "sh", "-c",
                                       'mount -t tmpfs tmpfs /dev/net && exec "$@"', "sh"])
    expect_failure(done, 1, "/dev/net/tun")
    expect_clean(pair.a)


def no_capability(lab, options):
    """Without CAP_NET_ADMIN: one clear error, exit code 7."""
    pair = Pair(lab, options)
    done = run_daemon(pair.a, wrapper=["setpriv", "--bounding-set", "-net_admin",
                                       "--inh-caps", "-net_admin"])
    expect_failure(done, 7, "CAP_NET_ADMIN")


def port_in_use(lab, options):
    """UDP 500 taken by another program: one clear error, exit code 5."""
    pair = Pair(lab, options)
    pair.net.gw_a.start("other", ["/usr/bin/python3", "-c", "import socket, time\n"
                                  "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                                  "s.bind(('0.0.0.0', 500))\ntime.sleep(60)"])
    wait_until(lambda: ":500 " in pair.net.gw_a.run("ss", "-Hlnu").stdout, 5, "the other program")
    expect_failure(run_daemon(pair.a), 5, "500", "in use")


def bad_configuration(lab, options):
    """Every mistake is named with its place, and nothing starts."""
    pair = Pair(lab, options)
    pair.a.config.write_text('[site.office]\nremot = "203.0.113.9"\npsk = "@missing"\n'
                             'local_nets = ["10.1.0.1/16"]\nremote_nets = 7\n')
    done = run_daemon(pair.a)
    name = pair.a.config.name
    expect_failure(done, 3, f"{name}:2:1", "remote", f"{name}:3:", f"{name}:4:", "10.1.0.0/16",
                   f"{name}:5:")


def reload(lab, options):
    """SIGHUP: a bad file changes nothing, a good one only what it changes."""
    pair = Pair(lab, options).up()
    good = pair.a.config.read_text()
    before = pair.a.status("office")["children"][0]["spi_in"]
    pair.a.config.write_text(good + "\nnonsense = 1\n")
    pair.a.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "nonsense" in pair.a.log, 5, "the error in the log")
    pair.expect_traffic()
    pair.a.config.write_text(good + '\n[site.other]\nremote = "198.51.100.77"\npsk = "@office"\n'
                             'local_nets = ["10.1.0.0/24"]\nremote_nets = ["10.9.0.0/24"]\n')
    pair.a.process.send_signal(signal.SIGHUP)
    wait_until(lambda: pair.a.status("other"), 5, "the new site")
    expect(pair.a.status("office")["children"][0]["spi_in"] == before, "the old SA was touched")
    pair.expect_traffic()
    pair.a.config.write_text(good)
    done = pair.a.cli("reload", "--json")
    expect(json.loads(done.stdout)["removed"] == ["other"], done.stdout)


def killed(lab, options):
    """kill -9 and a new start: the tunnel comes back, nothing stale is in the way."""
    pair = Pair(lab, options).up()
    pair.expect_traffic()
    pair.a.stop(signal.SIGKILL)
    pair.a.start()
    pair.a.wait_up("office")
    wait_until(lambda: ping(pair.net.client_a, "10.2.0.10", 1)[0] == 1, 10, "traffic")
    wait_until(lambda: len(pair.b.status("office")["children"]) == 1, 10, "the old SA to go")
    expect(pair.a.stop() == 0, pair.a.log)
    expect_clean(pair.a)


def garbage(lab, options):
    """Noise, truncated and bit-flipped real messages on 500 and 4500: counted, nothing else."""
    # A sanitizer build would keep freed memory in quarantine, which is not growth.
    os.environ["ASAN_OPTIONS"] = "quarantine_size_mb=1"
    pair = Pair(lab, options)
    wire = lab.folder / "real.pcap"
    dump = capture(pair.net.net, "eth0", wire)
    pair.up()
    pair.expect_traffic()
    finish_capture(lab, dump)
    payloads = run(["tshark", "-r", str(wire), "-Y", "udp", "-T", "fields", "-e",
                    "udp.payload"]).stdout.split()
    real = [bytes.fromhex(text) for text in payloads] or [bytes(28)]
    before = memory_of(pair.b)
    rng = random.Random(7)
    sent = flood(pair.net.net.netns, pair.net.OUTER_B, real, rng, 20000)
    wait_until(lambda: sum(pair.b.status()["drops"].values()) > sent / 4, 10, "counted drops")
    after = memory_of(pair.b)
    expect(after - before < 20_000, f"grew from {before} to {after} KiB")
    expect(len(pair.b.log) < 2_000_000, f"{len(pair.b.log)} bytes of log")
    pair.expect_traffic()


def memory_of(gateway):
    text = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS")))


def flood(netns, address, real, rng, count):
    stream = in_namespace(netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with stream:
        for number in range(count):
            kind = number % 4
            data = bytearray(rng.choice(real))
            if kind == 0:
                data = bytearray(rng.randbytes(rng.randrange(0, 200)))
            elif kind == 1:
                data = data[:rng.randrange(0, len(data) + 1)]
            elif kind == 2 and data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            try:
                stream.sendto(bytes(data), (address, rng.choice([500, 4500])))
            except ConnectionRefusedError:
                pass
            if number % 256 == 0:
                time.sleep(0.002)
    return count


def wrong_psk(lab, options):
    """Both sides say so, `up --wait` ends with 4, the note tells where to look."""
    pair = Pair(lab, options, psk_b=OTHER_PSK)
    pair.b.start()
    pair.a.start()
    done = pair.a.cli("up", "office", "--wait", "5s", check=False)
    expect(done.returncode == 4, f"exit code {done.returncode}: {done.stdout}{done.stderr}")
    wait_until(lambda: "AUTHENTICATION_FAILED" in pair.a.status("office")["note"], 5, "A's note")
    wait_until(lambda: "ike.auth.failed" in pair.b.cli("log", "--json").stdout, 5, "B's event")
    expect("secrets differ" in pair.b.log, f"B does not say what is wrong:\n{pair.b.log}")
    expect(OTHER_PSK not in pair.b.log and PSK not in pair.a.log, "a secret is in the log")


def no_common_algorithm(lab, options):
    """NO_PROPOSAL_CHOSEN: both proposals are in the responder's log."""
    pair = Pair(lab, options, extra_a='ike = ["aes128gcm16-prfsha256-x25519"]\n',
                extra_b='ike = ["aes256-sha512-modp4096"]\nstart = false\n')
    pair.b.start()
    pair.a.start()
    wait_until(lambda: "ike.proposal.none" in pair.b.cli("log", "--json").stdout, 10, "the event")
    wait_until(lambda: "NO_PROPOSAL_CHOSEN" in pair.a.status("office")["note"], 10, "A's note")
    expect(pair.a.cli("status", check=False).returncode == 9, "status must end with 9")


def impossible_selectors(lab, options):
    """TS_UNACCEPTABLE: the IKE SA stays, the child is told to have failed."""
    pair = Pair(lab, options, extra_b="start = false\n")
    pair.b.config.write_text(site(TwoGateways.OUTER_A, "10.7.0.0/24", "10.8.0.0/24",
                                  "start = false\n"))
    pair.b.start()
    pair.a.start()
    wait_until(lambda: "TS_UNACCEPTABLE" in pair.a.status("office")["note"], 10, "A's note")
    expect("child.failed" in pair.b.cli("log", "--json").stdout, "B has no child.failed event")


def unknown_peer(lab, options):
    """A peer nobody configured is refused and named."""
    pair = Pair(lab, options)
    pair.b.config.write_text(site("192.0.2.77", "10.2.0.0/24", "10.1.0.0/24", "start = false\n"))
    pair.b.start()
    pair.a.start()
    wait_until(lambda: "ike.peer.unknown" in pair.b.cli("log", "--json").stdout, 10, "the event")
    expect(TwoGateways.OUTER_A in pair.b.log, pair.b.log)


def fails_closed(lab, options):
    """While a wanted tunnel is down nothing crosses in the clear."""
    pair = Pair(lab, options)
    pair.a.start()
    net = pair.net
    net.gw_b.sysctl("net.ipv4.ip_forward", 1)
    net.net.ip("route", "add", "10.2.0.0/24", "via", "198.51.100.1")
    net.net.ip("route", "add", "10.1.0.0/24", "via", "203.0.113.1")
    net.gw_b.ip("route", "replace", "10.1.0.0/24", "via", "198.51.100.254")
    expect(ping(net.client_a, "10.2.0.10", 3)[0] == 0, "a ping crossed without a tunnel")
    wait_until(lambda: pair.a.status()["drops"].get("clear_queue_full"), 15, "the named drop")
    pair.a.cli("down", "office")
    expect(ping(net.client_a, "10.2.0.10", 3)[0] == 3, "`down` must take the wish back")


def trap(lab, options, extra=""):
    """start = "trap": the first packet brings the tunnel up, waits for it and is delivered."""
    pair = Pair(lab, options, extra_a='start = "trap"\n' + extra, extra_b="start = false\n")
    pair.b.start()
    pair.a.start()
    expect(pair.a.status("office")["state"] == "off", str(pair.a.status("office")))
    got = ping(pair.net.client_a, "10.2.0.10", 1)[0]
    expect(got == 1, f"the first packet was lost\n{pair.a.log}\n{pair.b.log}")
    lost = {"clear_no_sa", "clear_queue_full"} & {
        name for name, count in pair.a.status()["drops"].items() if count}
    expect(not lost, f"dropped: {lost}")
    pair.expect_traffic()


def trap_tcp(lab, options):
    """The same where it leaves in a TCP stream, and no second packet comes after it."""
    trap(lab, options, 'tcp = "always"\n')


def shunts(lab, options):
    """[[policy]]: some of a tunnel's traffic goes in clear, some not at all, the rest through it."""
    rules = """
[[policy]]
name = "clear"
action = "bypass"
{ours} = ["10.2.0.77"]

[[policy]]
name = "never"
action = "discard"
{ours} = ["10.2.0.88"]
"""
    pair = Pair(lab, options, extra_a=rules.format(ours="remote"),
                extra_b=rules.format(ours="local"))
    net = pair.net
    for last in (77, 88):
        net.client_b.ip("addr", "add", f"10.2.0.{last}/24", "dev", "eth0")
    net.net.ip("route", "add", "10.2.0.0/24", "via", "198.51.100.1")
    net.net.ip("route", "add", "10.1.0.0/24", "via", "203.0.113.1")
    pair.up()
    wire = lab.folder / "middle.pcap"
    dump = capture(net.net, "eth0", wire)
    pair.expect_traffic()
    ping(net.client_a, "10.2.0.77", 2)
    expect(ping(net.client_a, "10.2.0.88", 2)[0] == 0, "discarded traffic passed")
    finish_capture(lab, dump)
    seen = run(["tshark", "-r", str(wire), "-Y", "icmp.type == 8", "-T", "fields", "-e",
                "ip.dst"]).stdout.split()
    expect(seen and set(seen) == {"10.2.0.77"}, f"in clear on the wire went to: {seen}")
    expect(pair.a.status()["drops"].get("clear_policy_discard") == 2, str(pair.a.status()["drops"]))


def everything(lab, options):
    """remote_nets = ["0.0.0.0/0"]: all from the local network is protected, the rest as before."""
    pair = Pair(lab, options)
    net = pair.net
    pair.a.config.write_text(site(net.OUTER_B, "10.1.0.0/24", "0.0.0.0/0"))
    pair.b.config.write_text(site(net.OUTER_A, "0.0.0.0/0", "10.1.0.0/24"))
    pair.up()
    wire = lab.folder / "middle.pcap"
    dump = capture(net.net, "eth0", wire)
    pair.expect_traffic()
    # Ours, from an address of the outer network: the way an SSH session from outside is answered.
    done = net.gw_a.run("ping", "-n", "-c", "1", "-W", "2", "-I", net.OUTER_A, net.OUTER_B,
                        check=False)
    expect(" 1 received" in done.stdout, f"{done.stdout}\n{pair.a.status()}")
    finish_capture(lab, dump)
    seen = run(["tshark", "-r", str(wire), "-Y", "icmp.type == 8", "-T", "fields", "-e",
                "ip.dst"]).stdout.split()
    expect(set(seen) == {net.OUTER_B}, f"in clear on the wire went to: {seen}")


def ipv6(lab, options):
    """IPv6 inside and outside."""
    net = TwoGateways(lab)
    for host, device, address in (
            (net.client_a, "eth0", "fd01::10/64"), (net.gw_a, "eth0", "fd01::1/64"),
            (net.gw_a, "eth1", "2001:db8:a::1/64"), (net.net, "eth0", "2001:db8:a::ff/64"),
            (net.net, "eth1", "2001:db8:b::ff/64"), (net.gw_b, "eth1", "2001:db8:b::1/64"),
            (net.gw_b, "eth0", "fd02::1/64"), (net.client_b, "eth0", "fd02::10/64")):
        host.ip("addr", "add", address, "dev", device, "nodad")
    for host, via in ((net.client_a, "fd01::1"), (net.gw_a, "2001:db8:a::ff"),
                      (net.gw_b, "2001:db8:b::ff"), (net.client_b, "fd02::1")):
        host.ip("-6", "route", "add", "default", "via", via)
    a = Caponier(lab, net.gw_a, site("2001:db8:b::1", "fd01::/64", "fd02::/64"), {"office": PSK},
                 options.bin)
    b = Caponier(lab, net.gw_b, site("2001:db8:a::1", "fd02::/64", "fd01::/64"), {"office": PSK},
                 options.bin)
    b.start()
    a.start()
    a.wait_up("office")
    got = ping(net.client_a, "fd02::10", 3)[0]
    expect(got == 3, f"{got} of 3 pings came back\n{a.log}\n{b.log}")


def host_mode(lab, options):
    """[host.NAME]: the two machines' own traffic in transport mode."""
    net = TwoGateways(lab)
    text = '[host.peer]\nremote = "{}"\npsk = "@office"\n'
    a = Caponier(lab, net.gw_a, text.format(net.OUTER_B), {"office": PSK}, options.bin)
    b = Caponier(lab, net.gw_b, text.format(net.OUTER_A), {"office": PSK}, options.bin)
    b.start()
    a.start()
    peer = a.wait_up("peer")
    expect(peer["children"][0]["mode"] == "transport", str(peer))
    b.wait_up("peer")
    wire = lab.folder / "middle.pcap"
    dump = capture(net.net, "eth0", wire)
    got = ping(net.gw_a, net.OUTER_B, 3)[0]
    expect(got == 3, f"{got} of 3 pings came back\n{a.log}\n{b.log}")
    finish_capture(lab, dump)
    seen = set(run(["tshark", "-r", str(wire), "-T", "fields", "-e",
                    "_ws.col.Protocol"]).stdout.split())
    expect("ESP" in seen and "ICMP" not in seen, f"on the wire: {seen}")


def block(net, what):
    """Drops what the middle would forward; an empty `what` lets everything pass again."""
    rule = f"{what} drop" if what else ""
    net.net.run("nft", "-f", "-", text_input=f"""
        table inet block
        delete table inet block
        table inet block {{
          chain forward {{
            type filter hook forward priority filter;
            {rule}
          }}
        }}""")


def streams_of(gateway):
    return gateway.host.run("ss", "-Htn", "state", "established").stdout.split()


def tcp_fallback(lab, options):
    """No UDP and no ESP on the way: up over TCP; a stream that breaks is opened again."""
    up_over_tcp(lab, options)


def up_over_tcp(lab, options):
    pair = Pair(lab, options, extra_b="start = false\n")
    block(pair.net, "meta l4proto { udp, esp }")
    pair.b.start()
    pair.a.start()
    pair.a.wait_up("office", 40)
    pair.expect_traffic(20)
    expect(any(text.endswith(":4500") for text in streams_of(pair.a)), "no TCP stream")
    expect("TCP" in pair.a.log, pair.a.log)
    # A stream that breaks is opened again, by its originator.
    block(pair.net, "tcp dport 4500 reject with tcp reset; meta l4proto { udp, esp }")
    ping(pair.net.client_a, "10.2.0.10", 1)
    wait_until(lambda: "another one is opened" in pair.a.log, 10, "the end of the stream")
    block(pair.net, "meta l4proto { udp, esp }")
    wait_until(lambda: ping(pair.net.client_a, "10.2.0.10", 1)[0] == 1, 20, "the next stream")
    return pair


def back_to_udp(lab, options):
    """When UDP passes again the tunnel returns to it, without losing a packet."""
    pair = up_over_tcp(lab, options)
    block(pair.net, "")
    lost = 0
    def is_back():
        nonlocal lost
        lost += 1 - ping(pair.net.client_a, "10.2.0.10", 1)[0]
        return not streams_of(pair.a)
    wait_until(is_back, 90, "the return to UDP")
    pair.expect_traffic(20)
    expect(lost == 0, f"{lost} pings were lost on the way back\n{pair.a.log}")


def tcp_https(lab, options):
    """Nothing but TCP 443 passes."""
    listen = "\n[daemon]\ntcp_ports = [4500, 443]\n"
    pair = Pair(lab, options, extra_b="start = false\n" + listen)
    block(pair.net, "tcp dport 4500 drop; meta l4proto { udp, esp }")
    pair.b.start()
    pair.a.start()
    pair.a.wait_up("office", 40)
    pair.expect_traffic()
    expect(any(text.endswith(":443") for text in streams_of(pair.a)), "no stream to port 443")


def port_500_dead(lab, options):
    """Nothing passes on UDP 500: the tunnel comes up on 4500, soon."""
    pair = Pair(lab, options, extra_a='tcp = "never"\n', extra_b="start = false\n")
    block(pair.net, "udp dport 500")
    pair.b.start()
    begin = time.monotonic()
    pair.a.start()
    pair.a.wait_up("office", 40)
    took = time.monotonic() - begin
    expect(took < 12, f"it took {took:.1f} s")
    pair.expect_traffic()


def tcp_always(lab, options):
    """tcp = "always" through a NAT, and the log says so."""
    pair = Pair(lab, options, extra_a='tcp = "always"\n', nat=True)
    pair.up()
    pair.expect_traffic()
    expect(any(text.endswith(":4500") for text in streams_of(pair.a)), "no TCP stream")


def command_line(lab, options):
    """Exit codes, --json of every verb, and what is said when something is not there."""
    pair = Pair(lab, options, extra_a="\n[debug]\nallow_key_export = true\n")
    done = pair.a.cli("status", check=False)
    expect(done.returncode == 6, f"no daemon: exit code {done.returncode}")
    pair.up()
    for verb in (["status"], ["status", "office"], ["log"], ["ping", "office", "-c", "1"],
                 ["down", "office"], ["up", "office", "--wait", "10s"], ["reload"]):
        done = pair.a.cli(*verb, "--json")
        for document in done.stdout.splitlines() if verb == ["log"] else [done.stdout]:
            json.loads(document)
        expect(pair.a.cli(*verb).stdout.strip(), f"{verb} printed nothing")
    expect(pair.a.cli("up", "ofice", check=False).returncode == 8, "unknown name")
    expect("office" in pair.a.cli("up", "ofice", check=False).stderr, "no suggestion")
    expect(pair.a.cli("frobnicate", check=False).returncode == 2, "usage")
    expect(pair.b.cli("debug", "capture", "--keys-only", "-o", str(lab.folder / "k"),
                      check=False).returncode == 7, "key export without leave")
    folder = lab.folder / "capture"
    process = pair.net.gw_a.start("capture", [
        str(pair.a.bin / "caponier"), "--run-dir", str(pair.a.folder / "run"), "debug", "capture",
        "--seconds", "2", "-o", str(folder)])
    time.sleep(0.5)
    pair.expect_traffic()
    expect(process.wait(10) == 0, (lab.folder / "capture.log").read_text())
    shown = run(["tshark", "-r", str(folder / "capture.pcapng"), "-Y", "esp"]).stdout
    expect(len(shown.splitlines()) >= 6, f"the capture holds:\n{shown}")


def scrape(netns, request, at=("127.0.0.1", 9814)):
    """What the daemon answers to octets that a collector sends."""
    code = (f"import socket,sys\ns=socket.create_connection({at!r}, 5)\ns.sendall({request!r})\n"
            "t=b''\nwhile True:\n  d=s.recv(65536)\n  if not d: break\n  t+=d\nsys.stdout.buffer.write(t)")
    return netns.run("python3", "-c", code).stdout


def metrics(lab, options):
    """A collector is answered, others are refused, and the tunnel that goes down stays to be seen."""
    pair = Pair(lab, options,
                extra_a='\n[daemon]\nmetrics = "127.0.0.1"\ncompat_metrics = true\n').up()
    get = b"GET /metrics?x=1 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
    said = scrape(pair.net.gw_a, get)
    expect(said.startswith("HTTP/1.1 200 OK") and "version=0.0.4" in said, said)
    for line in ['caponier_peer_up{peer="office"} 1', "ipsec_up 1", "caponier_ike_sas 1"]:
        expect(line + "\n" in said, f"{line} is not in:\n{said}")
    for request, status in [(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
                            (b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "405"),
                            (b"nonsense\r\n\r\n", "400"), (b"GET /" + b"a" * 20000, "400")]:
        answer = scrape(pair.net.gw_a, request)
        expect(answer.startswith(f"HTTP/1.1 {status} "), f"{request[:40]}: {answer[:200]}")
    pair.a.cli("down", "office")
    expect('caponier_peer_up{peer="office"} 0\n' in scrape(pair.net.gw_a, get), "it has vanished")
    expect('caponier_peer_up{peer="office"} 0\n' in pair.a.cli("metrics").stdout, "the verb")


def address_change(lab, options):
    """One side loses its address and has another: the same tunnel goes on within two seconds. A peer
    without MOBIKE gets a new tunnel as quickly."""
    for mobike in ("true", "false"):
        with Lab("capm") as part:
            move_one(part, options, mobike)


def move_one(lab, options, mobike):
    names = 'local_id = "{}.example"\nremote_id = "{}.example"\n'
    pair = Pair(lab, options, extra_a=names.format("a", "b"),
                extra_b=names.format("b", "a") + f"mobike = {mobike}\n")
    pair.b.config.write_text(pair.b.config.read_text().replace(
        f'remote = "{pair.net.OUTER_A}"', 'remote = "any"'))
    pair.net.add_second_uplink()
    pair.up()
    pair.expect_traffic()
    before = pair.a.status("office")["children"][0]["spi_in"]
    flow = Flow(lab, pair.net.client_a, pair.net.client_b, "10.2.0.10", rate=100)
    time.sleep(1)
    pair.net.use_second_uplink()
    wait_until(lambda: pair.a.status("office")["local_endpoint"].startswith(
        f"{pair.net.SECOND_A}:"), 5, "the move")
    time.sleep(2.5)
    done = flow.finish()
    lost = sum(gap[1] for gap in done["gaps"])
    expect(lost <= 200, f"{lost} packets lost at 100 a second: {done}\n{pair.a.log}\n{pair.b.log}")
    pair.expect_traffic()
    after = pair.a.status("office")["children"][0]["spi_in"]
    expect((before == after) == (mobike == "true"), f"{mobike}: SPI {before}, then {after}")


def script_of(lab, text):
    path = lab.folder / "updown.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


def updown(lab, options):
    """A script is told of a tunnel and of its end, with what strongSwan's scripts know."""
    record = lab.folder / "record"
    script = script_of(lab, f'env >> {record}; echo >> {record}; echo "heard of $PLUTO_VERB"')
    pair = Pair(lab, options, extra_a=f'updown = "{script} with words"\nhostaccess = true\n').up()
    wait_until(lambda: record.exists() and record.read_text().endswith("\n\n"), 5, "the script")
    said = dict(line.split("=", 1) for line in record.read_text().split("\n\n")[0].splitlines())
    wanted = {"PLUTO_VERSION": "1.1", "PLUTO_VERB": "up-client", "PLUTO_CONNECTION": "office",
              "PLUTO_PROTO": "esp", "PLUTO_ME": pair.net.OUTER_A, "PLUTO_PEER": pair.net.OUTER_B,
              "PLUTO_MY_ID": pair.net.OUTER_A, "PLUTO_PEER_ID": pair.net.OUTER_B,
              "PLUTO_MY_CLIENT": "10.1.0.0/24", "PLUTO_PEER_CLIENT": "10.2.0.0/24",
              "PLUTO_MY_PORT": "0", "PLUTO_PEER_PORT": "0", "PLUTO_MY_PROTOCOL": "0",
              "PLUTO_PEER_PROTOCOL": "0", "PLUTO_HOST_ACCESS": "1"}
    expect({name: said.get(name) for name in wanted} == wanted, f"{said} is not\n{wanted}")
    expect(said["PLUTO_INTERFACE"] in pair.a.host.ip("-o", "link").stdout, f"{said}")
    others = {name for name in said if not name.startswith("PLUTO_")}
    expect(others <= {"PATH", "PWD", "SHLVL", "_"}, f"it knows {others} too")
    wait_until(lambda: "updown up-client says: heard of up-client" in pair.a.log, 5, "its words")
    expect(pair.a.stop() == 0, pair.a.log)
    verbs = [line for line in record.read_text().splitlines() if line.startswith("PLUTO_VERB")]
    expect(verbs == ["PLUTO_VERB=up-client", "PLUTO_VERB=down-client"], f"{verbs}")


def updown_hangs(lab, options):
    """A script that never ends, and one that is not there, delay neither tunnel nor shutdown."""
    script = script_of(lab, "sleep 1000")
    begun = time.monotonic()
    pair = Pair(lab, options, extra_a=f'updown = "{script}"\n').up()
    pair.expect_traffic()
    expect(time.monotonic() - begun < 20, f"it took {time.monotonic() - begun} s")
    wait_until(lambda: "was killed" in pair.a.log, 40, "the end of the script")
    begun = time.monotonic()
    expect(pair.a.stop() == 0, pair.a.log)
    expect(time.monotonic() - begun < 10, f"it took {time.monotonic() - begun} s to end")
    script.unlink()
    pair.a.start()
    pair.a.wait_up("office")
    wait_until(lambda: "ended with status 127" in pair.a.log, 5, "what became of the script")


def updown_firewall(lab, options):
    """A firewall that lets nothing through is opened for the tunnel, while it is up, by ours."""
    script = Path(__file__).resolve().parent.parent.parent / "share" / "updown"
    pair = Pair(lab, options, extra_a=f'updown = "{script} nft"\n')
    chain = "type filter hook {hook} priority 0; policy {policy};"
    rules = "".join(f"chain {hook} {{ {chain.format(hook=hook, policy=policy)} }}\n"
                    for hook, policy in (("forward", "drop"), ("input", "accept"),
                                         ("output", "accept")))
    pair.a.host.run("nft", "-f", "-", text_input=f"table inet filter {{\n{rules}}}\n")
    listed = lambda: pair.a.host.run("nft", "list", "table", "inet", "filter").stdout  # noqa: E731
    before = listed()
    pair.up()
    wait_until(lambda: listed().count("accept comment \"caponier office 1\"") == 2, 5, listed())
    pair.expect_traffic()
    pair.a.cli("down", "office")
    wait_until(lambda: listed() == before, 5, f"the rules to go:\n{listed()}\n{pair.a.log}")


def updown_iptables(lab, options):
    """The same of a firewall by iptables, for a tunnel and for one that is narrowed to a port."""
    if not shutil.which("iptables"):
        print("skipped: no iptables")
        sys.exit(77)
    script = Path(__file__).resolve().parent.parent.parent / "share" / "updown"
    # Where scripts find programs is the daemon's to say; iptables may be elsewhere.
    path = os.environ["PATH"]
    pair = Pair(lab, options, extra_a=f'updown = "/usr/bin/env PATH={path} {script} iptables"\n')
    host = pair.a.host
    host.run("iptables", "-P", "FORWARD", "DROP")
    listed = lambda: host.run("iptables", "-S").stdout  # noqa: E731
    before = listed()
    pair.up()
    wait_until(lambda: listed().count("--comment \"caponier office 1\" -j ACCEPT") == 2, 5, listed())
    pair.expect_traffic()
    pair.a.cli("down", "office")
    wait_until(lambda: listed() == before, 5, f"the rules to go:\n{listed()}\n{pair.a.log}")
    narrow = {"PLUTO_CONNECTION": "office", "PLUTO_REQID": "2", "PLUTO_INTERFACE": "caponier0",
              "PLUTO_MY_CLIENT": "10.1.0.0/24", "PLUTO_PEER_CLIENT": "10.2.0.0/24",
              "PLUTO_MY_PROTOCOL": "6", "PLUTO_MY_PORT": "0", "PLUTO_PEER_PORT": "443",
              "PLUTO_HOST_ACCESS": "1"}
    words = [f"{key}={value}" for key, value in narrow.items()]
    host.run("env", *words, "PLUTO_VERB=up-client", str(script), "iptables")
    rule = "-A OUTPUT -s 10.1.0.0/24 -d 10.2.0.0/24 -o caponier0 -p tcp -m tcp --dport 443"
    expect(rule in listed() and listed().count("caponier office 2") == 4, listed())
    host.run("env", *words, "PLUTO_VERB=down-client", str(script), "iptables")
    expect(listed() == before, listed())


def filelog(lab, options):
    """What strongSwan's administrators look for is in a file of strongSwan's form."""
    log = lab.folder / "charon.log"
    pair = Pair(lab, options, extra_a=f'\n[daemon]\nfilelog = "{log}"\n').up()
    found = lambda words: any(words in line for line in log.read_text().splitlines())  # noqa: E731
    ends = f"{pair.net.OUTER_A}[{pair.net.OUTER_A}]...{pair.net.OUTER_B}[{pair.net.OUTER_B}]"
    wait_until(lambda: found(f"[1] established between {ends}") or
               found(f"[2] established between {ends}"), 5, "the IKE SA in the file")
    wait_until(lambda: found("{1} established with SPIs "), 5, "the Child SA in the file")
    expect(found("TS 10.1.0.0/24 === 10.2.0.0/24"), log.read_text())
    line = next(line for line in log.read_text().splitlines() if "IKE_SA office[" in line)
    expect(re.match(r"^[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d 01\[IKE\] <office\|\d+> ", line), line)
    log.rename(lab.folder / "charon.log.1")
    pair.a.cli("reload")
    pair.a.cli("down", "office")
    wait_until(lambda: log.exists() and found("deleting IKE_SA office["), 5, "the new file")
    expect(found("closing CHILD_SA office{"), log.read_text())


def filelog_failures(lab, options):
    """And so is why a tunnel does not come up; also where strongSwan's interface is not served."""
    log = lab.folder / "charon.log"
    pair = Pair(lab, options, psk_b=OTHER_PSK,
                extra_a=f'\n[daemon]\nfilelog = "{log}"\nvici = ""\n')
    pair.b.start()
    pair.a.start()
    wait_until(lambda: log.exists() and "received AUTHENTICATION_FAILED notify error"
               in log.read_text(), 10, "the reason")


CASES = [filelog, filelog_failures, updown, updown_hangs, updown_firewall, updown_iptables, clean_shutdown, no_leaks, second_daemon, many_instances, no_tun_device, no_capability,
         port_in_use, bad_configuration, reload, killed, garbage, wrong_psk, no_common_algorithm,
         impossible_selectors, unknown_peer, fails_closed, trap, shunts, everything, ipv6, host_mode,
         command_line, metrics,
         tcp_fallback, back_to_udp, tcp_https, tcp_always, trap_tcp, port_500_dead, address_change]


def skip(why):
    print(f"skipped: {why}")
    return 77


def main():
    cases = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=cases)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capd") as lab:
        try:
            code = cases[options.case](lab, options) or 0
        except LabError as error:
            print(error)
            return 1
    print("passed" if code == 0 else "")
    return code


if __name__ == "__main__":
    sys.exit(main())
