#!/usr/bin/env python3
"""Caponier with libreswan and OpenIKED, each in an emulated guest: one case per call.

  test_peers.py PEER INITIATOR SUITE PATH --bin DIR

PEER libreswan | openiked; INITIATOR caponier | peer; SUITE gcm | cbc (of the IKE SA; OpenIKED's
Child SA is AES-CBC in both, see openiked.py); PATH plain | nat (the initiator is behind it).

Each case boots the peer once and goes through the life of a tunnel: up, traffic both ways, quiet
with liveness checks, the peer's rekeys, our rekeys, deletes of either side, the peer killed and
back again. Exit code 77 with "skipped: why".
"""
import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import (Caponier, Lab, LabError, TwoGateways, capture, finish_capture, ping,  # noqa: E402
                 run, wait_until)
import libreswan  # noqa: E402
import openiked  # noqa: E402

PSK = "u3kFq0dYc8mZr5tWx1vBn7hGj2sLp9aE"
PEERS = {"libreswan": (libreswan, libreswan.Libreswan), "openiked": (openiked, openiked.OpenIked)}
OUR_NET, THEIR_NET = "10.1.0.0/24", "10.2.0.0/24"
THEIR_INNER = "10.2.0.1"


class Case:
    def __init__(self, lab, options):
        self.lab, self.options = lab, options
        self.we_initiate = options.initiator == "caponier"
        self.nat = options.path == "nat"
        self.module, self.peer_class = PEERS[options.peer]

    def prepare(self):
        """Who initiates may be behind a NAT: we behind the lab's, the guest behind the one that the
        host it hangs on becomes."""
        net = self.net = TwoGateways(self.lab, self.nat and self.we_initiate, with_b=False)
        private = self.nat and not self.we_initiate
        address, gateway = ("192.168.8.2", "192.168.8.1") if private \
            else (net.OUTER_B, "198.51.100.254")
        self.theirs = self.peer_class(self.lab, net.net, f"{address}/24", gateway,
                                      f"{THEIR_INNER}/24", PSK)
        if private:
            masquerade(net.net)
        our_id, their_id = "caponier.example.org", f"{self.options.peer}.example.org"
        self.theirs.load(self.options.suite, address,
                         "%any" if self.we_initiate and self.nat else net.OUTER_A, their_id, our_id,
                         THEIR_NET, OUR_NET, not self.we_initiate)
        ike, esp = self.module.OURS[self.options.suite]
        self.ours = Caponier(
            self.lab, net.gw_a,
            f'[site.peer]\nremote = "{"any" if private else net.OUTER_B}"\npsk = "@peer"\n'
            f'local_nets = ["{OUR_NET}"]\nremote_nets = ["{THEIR_NET}"]\n'
            f'local_id = "{our_id}"\nremote_id = "{their_id}"\n'
            f'ike = ["{ike}"]\nesp = ["{esp}"]\ndpd = "2s"\n'
            f'start = {"true" if self.we_initiate else "false"}\n',
            {"peer": PSK}, self.options.bin).start()

    # -- looking

    def status(self):
        return self.ours.status("peer")

    def ike_spi(self):
        ike = self.status()["ike"]
        return ike and ike["spi_i"]

    def child_spis(self):
        return {child["spi_in"] for child in self.status()["children"]}

    def both_up(self, timeout=20):
        """Both sides hold exactly one IKE SA and one Child SA."""
        self.ours.wait_up("peer", timeout)
        wait_until(lambda: self.theirs.sas() == (1, 1) and len(self.child_spis()) == 1, timeout,
                   "one IKE SA and one Child SA on both sides")

    def expect_traffic(self, when):
        got = ping(self.net.client_a, THEIR_INNER)[0]
        self.expect(got == 3, f"{got} of 3 pings came back to us {when}")
        said = self.theirs.guest.sh(f"ping -c 3 -W 2 -I {THEIR_INNER} 10.1.0.10")
        self.expect("3 packets received" in said, f"the peer's pings {when}:\n{said}")

    def expect(self, condition, message):
        if not condition:
            raise LabError(message)

    # -- the life of a tunnel

    def comes_up(self):
        if not self.we_initiate:
            self.theirs.initiate()
        self.both_up()
        self.expect_traffic("at first")
        encapsulated = self.status()["children"][0]["udp_encap"]
        self.expect(encapsulated == self.nat, f"udp_encap is {encapsulated}")

    def stays_up_in_silence(self):
        """Both ask whether the other is alive, both are answered, nothing else happens."""
        wire = self.lab.folder / "silence.pcap"
        before = self.ike_spi()
        dump = capture(self.net.net, "eth0", wire)
        time.sleep(5)
        finish_capture(self.lab, dump)
        rows = run(["tshark", "-r", str(wire), "-Y", "isakmp.exchangetype == 37", "-T", "fields",
                    "-e", "ip.src", "-e", "isakmp.flag_r"]).stdout.split("\n")
        our_address = self.net.OUTER_A
        asked = {row.split("\t")[0] == our_address for row in rows if row.endswith("\t0")}
        answered = {row.split("\t")[0] == our_address for row in rows if row.endswith("\t1")}
        self.expect(True in asked and False in answered, f"we did not ask, or had no answer: {rows}")
        # Whoever is asked knows that the other is alive, so the peer may never need to ask.
        self.expect(self.ike_spi() == before, "the IKE SA was replaced")

    def peer_rekeys_child(self):
        before = self.child_spis()
        if self.theirs.rekeys_on_command:
            self.theirs.rekey_child()
        wait_until(lambda: self.child_spis() and not self.child_spis() & before, 30,
                   "the peer's rekey of the Child SA")
        self.both_up()
        self.expect_traffic("after the peer's rekey of the Child SA")

    def peer_rekeys_ike(self):
        before = self.ike_spi()
        if self.theirs.rekeys_on_command:
            self.theirs.rekey_ike()
        wait_until(lambda: self.ike_spi() not in (None, before), 30, "the peer's rekey of the IKE SA")
        self.both_up()
        self.expect_traffic("after the peer's rekey of the IKE SA")

    def peer_deletes_child(self):
        if not hasattr(self.theirs, "terminate_child"):
            return
        before = self.child_spis()
        self.theirs.terminate_child()
        if not self.we_initiate:
            wait_until(lambda: not self.child_spis(), 10, "the Child SA to go")
            self.theirs.initiate()
        wait_until(lambda: self.child_spis() and self.child_spis() != before, 20, "a new Child SA")
        self.expect_traffic("after the peer's delete of the Child SA")

    def we_delete(self):
        self.ours.cli("down", "peer")
        wait_until(lambda: self.theirs.sas() == (0, 0), 10, "the peer to see our delete")
        if self.nat and not self.we_initiate:  # nobody knows where to find a peer behind a NAT
            self.ours.cli("up", "peer", check=False)
            if not self.theirs.comes_back:
                self.theirs.initiate()
        else:
            self.ours.cli("up", "peer", "--wait", "10s")
        self.both_up()
        self.expect_traffic("after our delete")

    def peer_deletes(self):
        before = self.ike_spi()
        self.theirs.terminate()
        wait_until(lambda: self.ike_spi() != before, 10, "the IKE SA to go")
        if not self.we_initiate:
            self.theirs.initiate()
        self.both_up(30)
        self.expect_traffic("after the peer's delete")

    def peer_is_killed(self):
        """Nobody tells us; the peer comes back. INITIAL_CONTACT ends the old SAs, without it they
        stay until liveness finds them dead, and are not in the way."""
        if self.we_initiate:
            return  # found out by liveness, which takes longer than a test may
        before = self.ike_spi()
        self.theirs.restart()
        self.theirs.initiate()
        wait_until(lambda: self.ike_spi() not in (None, before), 20, "the peer to come back")
        if self.theirs.sends_initial_contact:
            self.both_up()
        wait_until(lambda: ping(self.net.client_a, THEIR_INNER, 1)[0] == 1, 5,
                   "traffic after the peer was killed")
        self.expect_traffic("after the peer was killed")

    def we_stop(self):
        code = self.ours.stop()
        self.expect(code == 0, f"caponierd ended with {code}")
        wait_until(lambda: self.theirs.sas()[1] == 0, 10, "the peer to see that we stopped")

    def run(self):
        self.prepare()
        for step in (self.comes_up, self.stays_up_in_silence, self.peer_rekeys_child,
                     self.peer_rekeys_ike, self.peer_deletes_child, self.peer_deletes,
                     self.we_delete, self.peer_is_killed, self.we_stop):
            began = time.monotonic()
            step()
            print(f"{step.__name__}: {time.monotonic() - began:.1f} s", flush=True)


def masquerade(host):
    host.run("nft", "-f", "-", text_input="""
        table ip nat {
          chain post {
            type nat hook postrouting priority srcnat;
            ip saddr 192.168.8.0/24 oifname "eth0" masquerade
          }
        }""")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("initiator", choices=["caponier", "peer"])
    parser.add_argument("suite", choices=["gcm", "cbc"])
    parser.add_argument("path", choices=["plain", "nat"])
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    why = PEERS[options.peer][0].IMAGE.missing()
    if why:
        print(f"skipped: {why}")
        return 77
    with Lab("cappe") as lab:
        case = Case(lab, options)
        try:
            case.run()
        except LabError as error:
            print(error)
            if hasattr(case, "ours"):
                print(f"--- caponierd\n{case.ours.log}")
            if hasattr(case, "theirs"):
                print(f"--- {options.peer}\n" + "\n".join(case.theirs.log.splitlines()[-60:]))
            return 1
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
