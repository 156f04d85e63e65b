#!/usr/bin/env python3
"""Two gateways, an IKEv2 tunnel and real traffic, first direct and then behind a NAT.

    client A --- gateway A --- [NAT] --- internet --- gateway B --- client B

Prints what it saw. Needs root; makes its own network namespaces and takes everything away again,
also on Ctrl-C. With --minutes N it keeps one TCP connection busy for N minutes while the tunnel is
deleted and made again, and fails if the connection is lost.
"""
import argparse
import secrets
import sys
import time

from lab import (Caponier, Lab, LabError, TwoGateways, capture, finish_capture, ping, run,
                 wait_until)

PYTHON = "/usr/bin/python3"


def config(remote, local_net, remote_net):
    return f"""\
[site.office]
remote      = "{remote}"
psk         = "@office"
local_nets  = ["{local_net}"]
remote_nets = ["{remote_net}"]

[debug]
allow_key_export = true
"""


class Demo:
    def __init__(self, binaries, mebibytes):
        self.binaries, self.mebibytes = binaries, mebibytes
        self.tools = str(__file__).rsplit("/", 1)[0]

    def bring_up(self, lab, nat):
        net = TwoGateways(lab, nat)
        psk = secrets.token_urlsafe(32)
        # Behind the NAT only A can start, and B must not insist on A's private address.
        a_seen_by_b = "any" if nat else net.OUTER_A
        b = Caponier(lab, net.gw_b, config(a_seen_by_b, "10.2.0.0/24", "10.1.0.0/24"),
                     {"office": psk}, self.binaries).start()
        a = Caponier(lab, net.gw_a, config(net.OUTER_B, "10.1.0.0/24", "10.2.0.0/24"),
                     {"office": psk}, self.binaries).start()
        a.wait_up("office")
        b.wait_up("office")
        return net, a, b

    def transfer(self, net, during=None, seconds=None):
        """One TCP stream from client A to client B; (bytes, seconds), checksums compared."""
        lab = net.lab
        log = lab.folder / "receiver.txt"
        log.unlink(missing_ok=True)
        receiver = net.client_b.start(
            "receiver", [PYTHON, f"{self.tools}/transfer.py", "serve", "10.2.0.10", "5001"], log)
        sent_log = lab.folder / "sender.txt"
        sent_log.unlink(missing_ok=True)
        sender = net.client_a.start(
            "sender", [PYTHON, f"{self.tools}/transfer.py", "send", "10.2.0.10", "5001",
                       str(self.mebibytes), *([str(seconds)] if seconds else [])], sent_log)
        if during:
            during(sender)
        limit = 60 + (seconds or 60)
        sender.wait(limit)
        receiver.wait(20)
        sent, got = sent_log.read_text().split(), log.read_text().split()
        if sender.returncode or receiver.returncode or sent[:2] != got[:2]:
            raise LabError(f"the transfer failed: sent {sent}, received {got}")
        return int(sent[0]), float(sent[2])

    def prove(self, net, b, wire):
        """What crossed the middle, and what tshark makes of it with our exported keys."""
        seen = run(["tshark", "-r", str(wire), "-T", "fields", "-e", "_ws.col.Protocol"]).stdout
        protocols = sorted({line for line in seen.split("\n") if line} - {"ARP", "ICMPv6"})
        keys = net.lab.folder / "keys"
        b.cli("debug", "capture", "--keys-only", "-o", str(keys))
        decrypted = run(["tshark", "-r", str(wire), *tshark_options(keys), "-Y", "icmp",
                         "-T", "fields", "-e", "ip.src", "-e", "ip.dst", "-e", "icmp.seq"]).stdout
        inner = [line for line in decrypted.splitlines() if "10.1.0.10" in line]
        auth = run(["tshark", "-r", str(wire), *tshark_options(keys), "-Y",
                    "isakmp.exchangetype == 35 and isakmp.auth.method"]).stdout.splitlines()
        return protocols, len(inner), len(auth)

    def run_one(self, nat):
        row = {"path": "behind a NAT" if nat else "direct"}
        with Lab("capdemo") as lab:
            wire = lab.folder / "middle.pcap"
            started = time.monotonic()
            net, a, b = self.bring_up(lab, nat)
            row["up"] = time.monotonic() - started
            # The exchange to be captured: the tunnel once more, from the first packet on.
            a.cli("down", "office")
            wait_until(lambda: not b.status("office")["children"], 10, "the delete to arrive")
            dump = capture(net.net, net.net_side_b, wire)
            a.cli("up", "office", "--wait", "10s")
            b.wait_up("office")
            received, row["rtt"] = ping(net.client_a, "10.2.0.10", count=10)
            if received != 10:
                raise LabError(f"only {received} of 10 pings came back\n{a.log}\n{b.log}")
            finish_capture(lab, dump)
            row["seen"], row["pings"], row["auths"] = self.prove(net, b, wire)
            moved = []

            def change_port(_sender):
                before = b.status("office")["remote_endpoint"]
                time.sleep(0.5)
                net.map_ports(30000)
                after = wait_until(
                    lambda: (now := b.status("office")["remote_endpoint"]) != before and now, 10,
                    "gateway B to follow the NAT's new port")
                moved.extend([before, after])

            size, seconds = self.transfer(net, change_port if nat else None)
            row["size"], row["rate"] = size, size * 8 / seconds / 1e9
            row["moved"] = moved
            peer = b.status("office")
            row["state"], row["crypto"] = peer["state"], peer["crypto"]
            row["nat"] = peer["nat"]
            row["encap"] = "ESP in UDP" if peer["children"][0]["udp_encap"] else "native ESP"
            row["status"] = a.cli("status", check=False).stdout
            for gateway in (a, b):
                code = gateway.stop()
                if code != 0:
                    raise LabError(f"caponierd ended with {code}\n{gateway.log}")
                leftovers(gateway)
        return row

    def soak(self, minutes):
        with Lab("capsoak") as lab:
            net, a, _ = self.bring_up(lab, nat=False)
            rounds = 0

            def replace_tunnel(sender):
                nonlocal rounds
                while sender.poll() is None:
                    time.sleep(5)
                    if sender.poll() is None:
                        a.cli("down", "office")
                        a.cli("up", "office", "--wait", "10s")
                        rounds += 1

            size, seconds = self.transfer(net, replace_tunnel, minutes * 60)
            print(f"one TCP connection for {seconds / 60:.1f} minutes: {size / 2**30:.1f} GiB, "
                  f"checksum equal, {size * 8 / seconds / 1e9:.2f} Gbit/s, "
                  f"while the tunnel was deleted and made again {rounds} times")


def tshark_options(profile):
    """The exported tables as options, so that no profile has to be installed."""
    options = ["-o", "esp.enable_encryption_decode:TRUE"]
    for table in ("ikev2_decryption_table", "esp_sa"):
        for line in (profile / "wireshark-profile" / table).read_text().splitlines():
            if line and not line.startswith("#"):
                options += ["-o", f"uat:{table}:{line}"]
    return options


def leftovers(gateway):
    """A stopped daemon leaves no interface, route, rule or socket behind."""
    links = gateway.host.ip("-o", "link").stdout
    rules = gateway.host.ip("rule").stdout
    sockets = gateway.host.run("ss", "-Hlnup").stdout
    if "caponier" in links or "fwmark" in rules or sockets.strip() \
            or (gateway.folder / "run" / "control.sock").exists():
        raise LabError(f"caponierd left something behind:\n{links}{rules}{sockets}")


def show(rows):
    columns = [
        ("PATH", lambda r: r["path"]), ("STATE", lambda r: r["state"]),
        ("CRYPTO", lambda r: r["crypto"]), ("NAT", lambda r: r["nat"]),
        ("CARRIED AS", lambda r: r["encap"]), ("RTT", lambda r: f"{r['rtt']:.2f} ms"),
        ("TCP", lambda r: f"{r['rate']:.2f} Gbit/s"),
        ("CHECKSUM", lambda r: f"equal, {r['size'] / 2**30:.0f} GiB"),
    ]
    cells = [[title for title, _ in columns]] + [[cell(r) for _, cell in columns] for r in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    print()
    for r in rows:
        print(f"{r['path']}: on the wire between the gateways: {', '.join(r['seen'])}")
        print(f"{' ' * len(r['path'])}  tshark, with the keys of `caponier debug capture`, finds "
              f"{r['pings']} pings and {r['auths']} AUTH payloads inside")
        if r["moved"]:
            print(f"{' ' * len(r['path'])}  the NAT changed its port during the transfer: "
                  f"{r['moved'][0]} -> {r['moved'][1]}, tunnel kept")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="folder of caponierd and caponier")
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--minutes", type=float, help="soak: replace the tunnel under one stream")
    options = parser.parse_args()
    demo = Demo(options.bin, options.mebibytes)
    try:
        if options.minutes:
            demo.soak(options.minutes)
            return 0
        started = time.monotonic()
        rows = []
        for nat in (False, True):
            print(f"{'behind a NAT' if nat else 'direct'}: two gateways, tunnel, ping, "
                  f"{options.mebibytes / 1024:.0f} GiB over TCP ...", flush=True)
            rows.append(demo.run_one(nat))
        print()
        show(rows)
        for row in rows:
            if not set(row["seen"]) <= {"ESP", "ISAKMP", "UDPENCAP"} or row["pings"] < 20 \
                    or row["auths"] < 2:
                raise LabError("the capture does not show what it should")
        print(f"\ndemo passed in {time.monotonic() - started:.0f} s")
        return 0
    except LabError as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
