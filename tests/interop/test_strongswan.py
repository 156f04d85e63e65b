#!/usr/bin/env python3
"""Caponier with strongSwan: one case per call.

  test_strongswan.py INITIATOR MODE SUITE PATH --bin DIR

INITIATOR caponier | strongswan; MODE tunnel | transport | native-tunnel | beet; SUITE a key of
strongswan.ESP or AH; PATH plain | nat (the initiator is behind it). Tunnel mode meets strongSwan's
userspace ESP in a namespace (UDP only); all other modes meet the kernel's ESP, or AH, in a guest.

Each case: the tunnel comes up, traffic flows both ways and as ESP only, a delete of either side is
honoured by the other, and nothing is left behind. Exit code 77 with "skipped: why".
"""
import argparse
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import (Caponier, Lab, LabError, TwoGateways, capture, finish_capture, ping,  # noqa: E402
                 run, wait_until)
from strongswan import (AH, ESP, IKE, IMAGE, InGuest, InNamespace, PSK, gone,  # noqa: E402
                        has_child, swanctl_conf)

TRANSFER = str(Path(__file__).resolve().parent.parent.parent / "tools" / "transfer.py")
PYTHON = "/usr/bin/python3"


class Case:
    def __init__(self, lab, options):
        self.lab, self.options = lab, options
        self.we_initiate = options.initiator == "caponier"
        self.nat = options.path == "nat"
        self.transport = options.mode == "transport"
        self.protocol = "ah" if options.suite in AH else "esp"
        self.suite = {**ESP, **AH}[options.suite]

    def toml(self, remote, local_id, remote_id, local_net, remote_net):
        nets = "" if self.transport else \
            f'local_nets = ["{local_net}"]\nremote_nets = ["{remote_net}"]\n'
        if self.options.mode == "beet":
            nets += 'mode = "beet"\n'
        kind = "host" if self.transport else "site"
        compat = 'compat = "legacy"\n' if self.options.suite == "legacy" else ""
        return (f'[{kind}.peer]\nremote = "{remote}"\npsk = "@peer"\n{nets}{compat}'
                f'local_id = "{local_id}"\nremote_id = "{remote_id}"\n'
                f'ike = ["{IKE[self.options.suite]}"]\n{self.protocol} = ["{self.suite}"]\n'
                f'start = {"true" if self.we_initiate else "false"}\n')

    def swanctl(self, local, remote, local_id, remote_id, local_ts, remote_ts):
        return swanctl_conf(
            local=local, remote=remote, local_id=local_id, remote_id=remote_id,
            local_ts="dynamic" if self.transport else local_ts,
            remote_ts="dynamic" if self.transport else remote_ts,
            mode=self.options.mode if self.options.mode in ("transport", "beet") else "tunnel",
            ike=IKE[self.options.suite], **{self.protocol: self.suite})

    @property
    def inside(self):
        """What a guest's tunnel connects: BEET has one address at each end."""
        beet = self.options.mode == "beet"
        return ("10.1.0.10/32", "10.2.0.1/32") if beet else ("10.1.0.0/24", "10.2.0.0/24")

    def caponier(self, host, text):
        self.ours = Caponier(self.lab, host, text, {"peer": PSK}, self.options.bin).start()

    # -- the two ways to meet strongSwan

    def in_namespaces(self):
        """Side A initiates (through the NAT, if any), side B answers."""
        net = TwoGateways(self.lab, self.nat)
        a_id, b_id = net.outer_a, net.OUTER_B
        if self.we_initiate:
            self.theirs = InNamespace(self.lab, net.gw_b)
            self.theirs.load(self.swanctl(net.OUTER_B, "%any", b_id, a_id,
                                          "10.2.0.0/24", "10.1.0.0/24"))
            self.caponier(net.gw_a, self.toml(net.OUTER_B, a_id, b_id,
                                              "10.1.0.0/24", "10.2.0.0/24"))
            self.from_us = lambda: ping(net.client_a, "10.2.0.10")[0]
            self.to_us = lambda: ping(net.client_b, "10.1.0.10")[0]
            self.receiver, self.sender, self.address = net.client_a, net.client_b, "10.1.0.10"
        else:
            self.caponier(net.gw_b, self.toml("any" if self.nat else net.OUTER_A, b_id, a_id,
                                              "10.2.0.0/24", "10.1.0.0/24"))
            self.theirs = InNamespace(self.lab, net.gw_a)
            self.theirs.load(self.swanctl(net.outer_a, net.OUTER_B, a_id, b_id,
                                          "10.1.0.0/24", "10.2.0.0/24"))
            self.from_us = lambda: ping(net.client_b, "10.1.0.10")[0]
            self.to_us = lambda: ping(net.client_a, "10.2.0.10")[0]
            self.receiver, self.sender, self.address = net.client_b, net.client_a, "10.2.0.10"
        self.net = net

    def in_guest(self):
        """The guest hangs on the middle host; as initiator behind a NAT it has a private address
        that the middle host translates."""
        why = IMAGE.missing()
        if why:
            print(f"skipped: {why}")
            sys.exit(77)
        nat_for_us = self.nat and self.we_initiate
        net = TwoGateways(self.lab, nat_for_us, with_b=False)
        private = self.nat and not self.we_initiate
        address, gateway = ("192.168.8.2", "192.168.8.1") if private \
            else (net.OUTER_B, "198.51.100.254")
        self.theirs = InGuest(self.lab, net.net, f"{address}/24", gateway, "10.2.0.1/24")
        if private:
            net.net.run("nft", "-f", "-", text_input="""
                table ip nat {
                  chain post {
                    type nat hook postrouting priority srcnat;
                    ip saddr 192.168.8.0/24 oifname "eth0" masquerade
                  }
                }""")
        self.theirs.load(self.swanctl(
            address, "%any" if nat_for_us else net.OUTER_A, address, net.outer_a,
            *reversed(self.inside)))
        outer = "203.0.113.254" if private else net.OUTER_B
        self.caponier(net.gw_a, self.toml(outer if not private else "any", net.outer_a, address,
                                          *self.inside))
        if self.transport:
            self.from_us = lambda: ping(net.gw_a, outer)[0]
            target = net.OUTER_A if nat_for_us else net.outer_a
            self.to_us = lambda: self.theirs.ping(target)
        else:
            self.from_us = lambda: ping(net.client_a, "10.2.0.1")[0]
            self.to_us = lambda: self.theirs.ping("10.1.0.10 -I 10.2.0.1")
        self.receiver = None
        self.net = net

    # -- what every case shows

    def up(self):
        if not self.we_initiate:
            self.theirs.initiate()
        self.peer = self.ours.wait_up("peer")
        wait_until(lambda: has_child(self.theirs.sas()), 10, "strongSwan's child")
        if self.options.mode == "beet":
            expect("BEET" in self.theirs.sas(), "strongSwan has no BEET", self)

    def traffic(self):
        wire = self.lab.folder / "middle.pcap"
        dump = capture(self.net.net, "eth0", wire)
        for name, once in (("to strongSwan", self.from_us), ("from strongSwan", self.to_us)):
            got = once()
            expect(got == 3, f"{got} of 3 pings came back {name}", self)
        if self.receiver:
            self.transfer()
        finish_capture(self.lab, dump)
        # What AH carries shows, so there the outermost protocols count.
        seen = run(["tshark", "-r", str(wire), "-T", "fields", "-e", "frame.protocols"]).stdout
        seen = [":".join(line.split(":")[3:4 + ("udp" in line.split(":")[3:4])])
                for line in seen.split() if ":icmpv6" not in line]
        clear = set(seen) - {self.protocol, "udp:isakmp", "udp:udpencap", ""}
        protected = "udp:udpencap" if "udp:udpencap" in seen else self.protocol
        expect(protected in seen and not clear, f"between the gateways: {sorted(set(seen))}", self)
        status = self.ours.status("peer")
        encapsulated = status["children"][0]["udp_encap"]
        expected = self.nat or self.options.mode == "tunnel"
        expect(encapsulated == expected, f"udp_encap is {encapsulated}", self)

    def transfer(self):
        log = self.lab.folder / "receiver.txt"
        receiver = self.receiver.start("receiver", [PYTHON, TRANSFER, "serve", self.address, "5001"],
                                       log)
        sent = self.sender.run(PYTHON, TRANSFER, "send", self.address, "5001", "20").stdout.split()
        receiver.wait(10)
        expect(log.read_text().split() == sent[:2], "the checksums differ", self)

    def rekeys(self):
        """strongSwan replaces the child, then the IKE SA; traffic goes on."""
        for what in (["--child", "net"], ["--ike", "caponier"]):
            before = self.ours.status("peer")
            self.theirs.swanctl("--rekey", *what)
            wait_until(lambda: replaced(before, self.ours.status("peer")), 10,
                       f"the rekey of {what[1]}")
            expect(self.from_us() == 3 and self.to_us() == 3, f"no traffic after {what}", self)
            wait_until(lambda: len(self.ours.status("peer")["children"]) == 1, 10,
                       "the old child to go")
        self.peer = self.ours.status("peer")

    def deletes(self):
        self.theirs.terminate_child()
        if self.we_initiate:  # the desired state brings the child back
            wait_until(lambda: new_child(self.ours, self.peer), 15, "a new child after the delete")
            expect(self.from_us() == 3, "no traffic after the child came back", self)
        else:
            wait_until(lambda: not self.ours.status("peer")["children"], 10, "the child to go")
            self.theirs.initiate()
            self.ours.wait_up("peer")
        self.ours.cli("down", "peer")
        gone(self.theirs)
        if self.we_initiate:
            self.ours.cli("up", "peer", "--wait", "10s")
            expect(self.from_us() == 3, "no traffic after down and up", self)

    def run(self):
        self.in_guest() if self.options.mode != "tunnel" else self.in_namespaces()
        self.up()
        self.traffic()
        self.rekeys()
        self.deletes()
        code = self.ours.stop()
        expect(code == 0, f"caponierd ended with {code}", self)
        gone(self.theirs)


def replaced(before, after):
    """Another child or another IKE SA than before is in place."""
    return after["children"] and (
        all(child["spi_in"] != before["children"][0]["spi_in"] for child in after["children"])
        or after["ike"]["spi_i"] != before["ike"]["spi_i"])


def new_child(ours, before):
    children = ours.status("peer")["children"]
    return children and children[0]["spi_in"] != before["children"][0]["spi_in"]


def expect(condition, message, case):
    if not condition:
        raise LabError(f"{message}\n--- caponierd\n{case.ours.log}\n--- charon\n"
                       f"{tail(case.theirs.log)}\n{case.theirs.sas()}")


def tail(text, lines=60):
    kept = [line for line in text.splitlines() if not re.search(r"\[(CFG|JOB)\]|queueing", line)]
    return "\n".join(kept[-lines:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("initiator", choices=["caponier", "strongswan"])
    parser.add_argument("mode", choices=["tunnel", "transport", "native-tunnel", "beet"])
    parser.add_argument("suite", choices=sorted({**ESP, **AH}))
    parser.add_argument("path", choices=["plain", "nat"])
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capit") as lab:
        case = Case(lab, options)
        try:
            case.run()
        except LabError as error:
            print(error)
            if hasattr(case, "ours"):
                print(case.ours.log)
            if hasattr(case, "theirs"):
                print(tail(case.theirs.log))
            return 1
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
