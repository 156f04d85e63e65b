#!/usr/bin/env python3
"""strongSwan's control interface on Caponier: its own swanctl, a strict client, and charon on the
other side, which is asked the same. One case per call.

  test_vici.py CASE --bin DIR

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import os
import re
import signal
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Caponier, Lab, LabError, TwoGateways, ping, wait_until  # noqa: E402
from strongswan import ESP, IKE, PSK, InNamespace, swanctl_conf  # noqa: E402
from vici import Session, ViciError  # noqa: E402

# What only one of the two has to say, and both are right: charon's userspace ESP pretends a NAT, and
# announces no extended sequence numbers; its connection has no liveness checks.
CHARONS_OWN = {"nat-local", "nat-remote", "nat-fake", "nat-any", "encap", "tasks-active",
               "tasks-queued", "tasks-passive"}
OURS_ALONE = {"esn", "nat-local", "nat-remote", "nat-fake", "nat-any", "encap", "dpd_delay"}


def expect(condition, message):
    if not condition:
        raise LabError(message)


class Twins:
    """Caponier with side A, charon with side B; the tunnel is called and configured alike."""

    def __init__(self, lab, options, suite="gcm", start="false"):
        self.lab, self.net = lab, TwoGateways(lab)
        self.charon = InNamespace(lab, self.net.gw_b, plugins="counters ")
        self.charon.load(swanctl_conf(
            local=self.net.OUTER_B, remote=self.net.OUTER_A, local_id="sun.example",
            remote_id="moon.example", local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24",
            mode="tunnel", ike=IKE[suite], esp=ESP[suite]))
        self.ours = Caponier(
            lab, self.net.gw_a,
            f'[site.net]\nremote = "{self.net.OUTER_B}"\npsk = "@net"\nlocal_id = "moon.example"\n'
            f'remote_id = "sun.example"\nlocal_nets = ["10.1.0.0/24"]\n'
            f'remote_nets = ["10.2.0.0/24"]\nike = ["{IKE[suite]}"]\nesp = ["{ESP[suite]}"]\n'
            f'start = {start}\n',
            {"net": PSK}, options.bin).start()
        self.path = self.ours.folder / "run" / "charon.vici"
        wait_until(self.path.exists, 10, "the socket")

    def session(self):
        return Session(self.path)

    def charon_session(self):
        return Session(self.charon.socket)

    def swanctl(self, *arguments, check=True):
        done = self.net.gw_a.run("swanctl", *arguments, "--uri", f"unix://{self.path}", check=False)
        said = done.stdout + done.stderr
        expect(not check or done.returncode == 0,
               f"swanctl {' '.join(arguments)} ended with {done.returncode}:\n{said}\n{self.ours.log}")
        return said


def without(tree, names):
    return [key for key in tree if key not in names]


def only(items, what):
    expect(len(items) == 1, f"{len(items)} {what}: {items}")
    return next(iter(items[0].items()))


# -- cases


def swanctl(lab, options):
    """Every sub-command that needs nothing to be loaded, with what people look for in its output."""
    twins = Twins(lab, options)
    said = twins.swanctl("--initiate", "--child", "net", "--timeout", "15")
    expect("initiate completed successfully" in said, said)
    expect(re.search(r"\[IKE\] IKE_SA net\[\d+\] established between 203\.0\.113\.1\[moon\.example\]"
                     r"\.\.\.198\.51\.100\.1\[sun\.example\]", said), said)
    expect(ping(twins.net.client_a, "10.2.0.10")[0] == 3, "no traffic")
    said = twins.swanctl("--list-sas")
    for pattern in (r"^net: #\d+, ESTABLISHED, IKEv2, [0-9a-f]{16}_i\* [0-9a-f]{16}_r$",
                    r"^  local  'moon\.example' @ 203\.0\.113\.1\[4500\]$",
                    r"^  remote 'sun\.example' @ 198\.51\.100\.1\[4500\]$",
                    r"^  AES_GCM_16-256/PRF_HMAC_SHA2_384/CURVE_25519$",
                    r"^  established \d+s ago, rekeying in \d+s$",
                    r"^  net: #\d+, reqid 1, INSTALLED, TUNNEL-in-UDP, ESP:AES_GCM_16-256",
                    r"^    installed \d+s ago, rekeying in \d+s, expires in \d+s$",
                    r"^    in  [0-9a-f]{8}, +252 bytes, +3 packets",
                    r"^    out [0-9a-f]{8}, +252 bytes, +3 packets",
                    r"^    local  10\.1\.0\.0/24$", r"^    remote 10\.2\.0\.0/24$"):
        expect(re.search(pattern, said, re.M), f"{pattern} is not in:\n{said}")
    expect(re.search(r"list-sa event \{net \{uniqueid=\d+ version=2 state=ESTABLISHED ",
                     twins.swanctl("--list-sas", "--raw")), "raw")
    expect("  net {\n    uniqueid = " in twins.swanctl("--list-sas", "--pretty"), "pretty")
    for arguments, pattern in (
            (["--list-conns"], r"net: IKEv2, no reauthentication, rekeying every 28800s"),
            (["--list-conns"], r"  local pre-shared key authentication:\n    id: moon\.example"),
            (["--list-conns"], r"  net: TUNNEL, rekeying every 3600s"),
            (["--list-pols"], r""), (["--list-certs"], r""), (["--list-authorities"], r""),
            (["--list-pools"], r""),
            (["--list-algs"], r"aead:\n(  .*\n)*  AES_GCM_16\["),
            (["--stats"], r"uptime: \d+ seconds?, since \w{3} \d\d \d\d:\d\d:\d\d \d{4}"),
            (["--stats"], r"IKE_SAs: 1 total, 0 half-open"),
            (["--version", "--daemon"], r"strongSwan [\d.]+ caponierd \(Linux, "),
            (["--rekey", "--child", "net"], r"rekey completed successfully"),
            (["--reload-settings"], r""),
            (["--install", "--child", "net"], r"install completed successfully"),
            (["--list-pols"], r"net/net, TUNNEL\n  local:  10\.1\.0\.0/24\n  remote: 10\.2\.0\.0/24"),
            (["--uninstall", "--child", "net"], r"uninstall completed successfully"),
            (["--flush-certs"], r""),
            (["--counters"], r"global:\n  ike-rekey-init        : 0\n(.*\n)*"
                             r"  ike-init-out-req      : 1\n"),
            (["--counters", "--name", "net"], r"net:\n"),
            (["--rekey", "--ike", "net"], r"rekey completed successfully"),
            (["--terminate", "--child", "net", "--timeout", "10"],
             r"\[IKE\] closing CHILD_SA net\{\d+\} with SPIs [0-9a-f]{8}_i \(\d+ bytes\)"),
            (["--terminate", "--ike", "net", "--timeout", "10"],
             r"\[IKE\] deleting IKE_SA net\[\d+\] between(.*\n)*terminate completed successfully")):
        said = twins.swanctl(*arguments)
        expect(re.search(pattern, said), f"swanctl {arguments}: {pattern} is not in:\n{said}")
    expect(not twins.swanctl("--list-sas").strip(), "an SA is left")
    said = twins.swanctl("--terminate", "--ike", "net", check=False)
    expect("terminate failed: no matching SAs to terminate found" in said, said)


def same_keys(lab, options):
    """Both ends of one tunnel describe it with the same keys in the same order."""
    for suite in ("gcm", "cbc"):
        with Lab("capv") as inner:
            twins = Twins(inner, options, suite)
            ours, theirs = twins.session(), twins.charon_session()
            expect(theirs.request("initiate", child="net", timeout=10000)["success"] == "yes",
                   twins.charon.log)
            wait_until(lambda: ours.sas() and only(ours.sas(), "SAs")[1]["child-sas"], 5, "the SA")
            ping(twins.net.client_a, "10.2.0.10")
            wait_until(lambda: "use-in" in next(iter(
                only(ours.sas(), "SAs")[1]["child-sas"].values())), 5, "the traffic")
            _, our_sa = only(ours.sas(), "SAs")
            _, their_sa = only(theirs.sas(), "SAs")
            compare_keys(our_sa, their_sa, {"initiator"}, f"{suite}: list-sa")
            for key in ("state", "initiator-spi", "responder-spi", "encr-alg", "encr-keysize",
                        "integ-alg", "prf-alg", "dh-group", "version"):
                expect(our_sa.get(key) == their_sa.get(key), f"{key}: {our_sa} {their_sa}")
            expect(our_sa["local-id"] == their_sa["remote-id"], f"{our_sa} {their_sa}")
            our_child, their_child = (next(iter(sa["child-sas"].values()))
                                      for sa in (our_sa, their_sa))
            compare_keys(our_child, their_child, set(), f"{suite}: child")
            expect(our_child["spi-in"] == their_child["spi-out"], f"{our_child} {their_child}")
            for key in ("state", "mode", "protocol", "encr-alg", "encr-keysize", "integ-alg"):
                expect(our_child.get(key) == their_child.get(key),
                       f"{key}: {our_child} {their_child}")
            _, our_conn = only(ours.stream("list-conns", "list-conn"), "connections")
            _, their_conn = only(theirs.stream("list-conns", "list-conn"), "connections")
            compare_keys(our_conn, their_conn, set(), f"{suite}: list-conn")
            for part in ("local-1", "remote-1"):
                compare_keys(our_conn[part], their_conn[part], set(), f"{suite}: {part}")
            compare_keys(our_conn["children"]["net"], their_conn["children"]["net"], set(),
                         f"{suite}: conn's child")


def compare_keys(ours, theirs, more, what):
    mine, charons = (without(tree, side | more) for tree, side in
                     ((ours, OURS_ALONE), (theirs, CHARONS_OWN)))
    expect(mine == charons, f"{what}: the keys differ:\n{mine}\n{charons}")


def same_answers(lab, options):
    """What charon refuses is refused with the same words."""
    twins = Twins(lab, options)
    ours, theirs = twins.session(), twins.charon_session()
    for command, arguments in (
            ("initiate", {}), ("initiate", {"child": "nope"}), ("initiate", {"ike": "nope"}),
            ("terminate", {}), ("terminate", {"child": "nope"}), ("terminate", {"ike_id": 77}),
            ("rekey", {}), ("rekey", {"ike": "nope"}), ("rekey", {"child": "x"}),
            ("redirect", {}), ("redirect", {"ike": "x"}),
            ("redirect", {"ike": "x", "gateway": "1.2.3.4"}),
            ("redirect", {"ike": "x", "gateway": ""}),
            ("install", {}), ("install", {"child": "nope"}),
            ("uninstall", {}), ("uninstall", {"child": "nope"}),
            ("list-sas", {}), ("list-conns", {}), ("list-policies", {}), ("list-certs", {}),
            ("list-authorities", {}), ("get-authorities", {}), ("get-pools", {}),
            ("get-keys", {}), ("flush-certs", {}), ("reload-settings", {}),
            ("get-counters", {}), ("get-counters", {"all": "yes"}),
            ("get-counters", {"name": "nope"}), ("reset-counters", {})):
        one, other = (session.request(command, **arguments) for session in (ours, theirs))
        expect(list(one.items()) == list(other.items()),
               f"{command} {arguments}:\n{one}\n{other}")
    for session in (ours, theirs):
        try:
            session.request("nonsense")
        except ViciError:
            continue
        raise LabError("nonsense is a command")


def events(lab, options):
    """Changes are told with the keys of charon's own events, on both sides of one tunnel."""
    twins = Twins(lab, options)
    names = ("ike-updown", "child-updown", "ike-rekey", "child-rekey")
    watchers = [twins.session(), twins.charon_session()]
    for watcher in watchers:
        watcher.register(*names)
    driver = twins.session()
    lines = lab.folder / "monitor"
    monitor = twins.net.gw_a.start("swanctl-monitor", [
        "stdbuf", "-oL", "swanctl", "--monitor-sa", "--raw", "--uri", f"unix://{twins.path}"], log=lines)
    log_lines = lab.folder / "swanctl-log"
    logger = twins.net.gw_a.start("swanctl-log", [
        "stdbuf", "-oL", "swanctl", "--log", "--uri", f"unix://{twins.path}"], log=log_lines)
    time.sleep(0.5)

    def both(name, timeout=15):
        return [watcher.wait_event({name}, timeout)[1] for watcher in watchers]

    def section_of(message):
        return next(value for value in message.values() if isinstance(value, dict))

    driver.request("initiate", child="net", timeout=10000)
    for message in both("ike-updown"):
        expect(message["up"] == "yes" and section_of(message)["state"] == "ESTABLISHED", message)
    ours, theirs = both("child-updown")
    compare_keys(section_of(ours), section_of(theirs), {"initiator"}, "child-updown")
    driver.request("rekey", child="net")
    ours, theirs = both("child-rekey")
    for message in (ours, theirs):
        child = section_of(message)["child-sas"]["net"]
        expect(list(child) == ["old", "new"], message)
    driver.request("rekey", ike="net")
    for message in both("ike-rekey"):
        expect(list(section_of(message)) == ["old", "new"], message)
    driver.request("terminate", ike="net", timeout=5000)
    for message in both("ike-updown"):
        expect("up" not in message and section_of(message)["state"] == "DELETING", message)
    wait_until(lambda: "ike-updown event {net {" in lines.read_text(), 5,
               f"swanctl --monitor-sa to tell the end:\n{lines.read_text()}")
    expect("child-updown event {up=yes net {" in lines.read_text(), lines.read_text())
    wait_until(lambda: "[IKE] IKE_SA net[2] rekeyed between" in log_lines.read_text(), 5,
               f"swanctl --log:\n{log_lines.read_text()}")
    lab.stop(monitor)
    lab.stop(logger)


def no_configuration(lab, options):
    """`caponierd --vici PATH` alone runs in the foreground and ends cleanly."""
    host = lab.host("alone")
    folder = lab.folder / "alone"
    folder.mkdir()
    path = folder / "vici"
    command = [str(Path(options.bin).resolve() / "caponierd"), "--vici", str(path), "--run-dir",
               str(folder / "run"), "--state-dir", str(folder / "state")]
    if Path("/etc/caponier/caponier.toml").exists():
        print("skipped: this machine has a configuration of its own")
        return 77
    process = host.start("caponierd-alone", command, log=folder / "log")
    log = folder / "log"
    wait_until(lambda: path.exists() or process.poll() is not None, 15, "the socket")
    expect(process.poll() is None, log.read_text())
    mode = path.stat().st_mode & 0o777
    expect(mode in (0o660, 0o600), f"mode {mode:o}")
    session = Session(path)
    expect(session.request("version")["daemon"] == "caponierd", "version")
    expect(session.sas() == [], "SAs")
    expect(session.stream("list-conns", "list-conn") == [], "connections")
    second = lab.host("second").run(*command[:3], "--run-dir", str(folder / "run2"), "--state-dir",
                      str(folder / "state2"), check=False)
    expect(second.returncode == 5 and "another daemon serves" in second.stdout + second.stderr,
           f"{second.returncode} {second.stdout}{second.stderr}")
    code = lab.stop(process, signal.SIGTERM)
    expect(code == 0, f"exit code {code}\n{log.read_text()}")
    expect(not path.exists(), "the socket is left")
    return None


def slow_client(lab, options):
    """A client that reads nothing, one that talks nonsense and one that goes away delay nobody."""
    twins = Twins(lab, options)
    deaf = twins.session()
    deaf.register("log", "list-conn")
    mad = twins.session()
    mad.socket.sendall(os.urandom(64))
    gone = twins.session()
    gone.send(0, "initiate", b"")
    gone.close()
    for _ in range(2000):
        deaf.send(0, "list-conns")
    driver = twins.session()
    begin = time.monotonic()
    expect(driver.request("initiate", child="net", timeout=10000)["success"] == "yes",
           twins.ours.log)
    for _ in range(200):
        expect(len(driver.sas()) == 1, "the SA")
    expect(time.monotonic() - begin < 60, f"{time.monotonic() - begin:.1f} s")


CASES = [swanctl, same_keys, same_answers, events, no_configuration, slow_client]


def main():
    cases = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=cases)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    if not shutil.which("swanctl"):
        print("skipped: no swanctl")
        return 77
    with Lab("capv") as lab:
        try:
            code = cases[options.case](lab, options) or 0
        except (LabError, ViciError) as error:
            print(error)
            return 1
    print("passed" if code == 0 else "")
    return code


if __name__ == "__main__":
    sys.exit(main())
