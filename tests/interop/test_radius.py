#!/usr/bin/env python3
"""Our EAP client and RADIUS relay against FreeRADIUS, without IKE: one case per call.

  test_radius.py CASE --driver PROGRAM

CASE is a method of tests/interop/radius_driver.cpp, or one of those below. Exit code 77 with
"skipped: why" when the machine lacks something.
"""
import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from freeradius import FREERADIUS, SECRET, FreeRadius  # noqa: E402
from lab import Lab, LabError, wait_until  # noqa: E402

RADCLIENT = "/usr/bin/radclient"
USERS = {"alice": "correct horse"}
METHODS = ["md5", "mschapv2", "tls+12", "tls+13", "ttls-pap+12", "ttls-pap+13",
           "ttls-mschapv2+12", "ttls-mschapv2+13", "ttls-eap+12", "ttls-eap+13", "peap+12",
           "peap+13"]


def expect(condition, what):
    if not condition:
        raise LabError(what)


class Setting:
    """A gateway's side and the server's, one link between them."""

    def __init__(self, lab, options, network="192.0.2.{}/24", **more):
        self.options = options
        self.nas, radius = lab.host("nas"), lab.host("radius")
        lab.link(self.nas, network.format(1), radius, network.format(2))
        self.address = network.format(2).partition("/")[0]
        self.server = FreeRadius(lab, radius, self.address, network.format(1), USERS, **more)

    def speak(self, method, user="alice", password="correct horse", secret=SECRET, port=1812,
              server_certificate="server", timeout=60):
        folder = self.server.folder
        files = [f"{folder}/{server_certificate}.der"]
        if method.startswith("tls"):
            files += [f"{folder}/alice.der", f"{folder}/alice.key.der"]
        return self.nas.run(self.options.driver, self.address, str(port), secret, method, user,
                            password, *files, check=False, timeout=timeout)


def method(lab, options, name):
    """The method succeeds with the same keys on both sides, says what the user may, and is billed;
    a wrong password, and a server that is not the right one, fail."""
    setting = Setting(lab, options)
    setting.server.start()
    done = setting.speak(name)
    log = setting.server.log
    expect(done.returncode == 0, f"{done.stdout}{done.stderr}\n{log[-6000:]}")
    kind = name.partition("+")[0].partition("-")[0]
    for part in (f"success {kind} alice", "filter=staff", "address=10.9.0.7", "timeout=3600",
                 "accounting=3"):
        expect(part in done.stdout, f"no {part!r} in {done.stdout}")
    billed = setting.server.accounting
    for part in ("Acct-Status-Type = Start", "Acct-Status-Type = Interim-Update",
                 "Acct-Status-Type = Stop", "Acct-Input-Gigawords = 5", "Class = 0x0102030405",
                 'Acct-Session-Id = "0001-interop"', "Acct-Terminate-Cause = User-Request"):
        expect(part in billed, f"no {part!r} in {billed}")
    if kind != "tls":
        done = setting.speak(name, password="battery staple")
        expect(done.returncode == 1 and "failure" in done.stdout, done.stdout)
    if kind in ("tls", "ttls", "peap"):
        done = setting.speak(name, server_certificate="alice")
        expect(done.returncode == 1 and "failure client tls" in done.stdout, done.stdout)


def small_fragments(lab, options):
    """TLS in many small pieces, both ways."""
    setting = Setting(lab, options, default="tls", fragment=200)
    setting.server.start()
    done = setting.speak("tls+13")
    expect(done.returncode == 0, f"{done.stdout}\n{setting.server.log[-4000:]}")


def ipv6(lab, options):
    """The server has an IPv6 address."""
    setting = Setting(lab, options, network="2001:db8::{}/64")
    setting.server.start()
    done = setting.speak("mschapv2")
    expect(done.returncode == 0, f"{done.stdout}\n{setting.server.log[-4000:]}")


def dynamic(lab, options):
    """radclient, which has nothing of ours, disconnects and changes a session."""
    if not Path(RADCLIENT).exists():
        print("skipped: no radclient here")
        return 77
    nas, server = lab.host("nas"), lab.host("radius")
    lab.link(nas, "192.0.2.1/24", server, "192.0.2.2/24")
    nas.start("driver", [str(Path(options.driver).with_name("dynamic_driver")), "192.0.2.1", "3799",
                         SECRET, "192.0.2.2"])
    log = lab.folder / "driver.log"
    wait_until(lambda: "ready" in log.read_text(), 10, "the driver")

    def ask(kind, attributes, secret=SECRET):
        return server.run(RADCLIENT, "-x", "-r", "1", "-t", "2", "192.0.2.1:3799", kind, secret,
                          text_input=attributes, check=False).stdout

    now = int(time.time())
    said = ask("disconnect", f'User-Name = "alice", Event-Timestamp = {now}')
    expect("Received Disconnect-ACK" in said, said)
    said = ask("disconnect", f'User-Name = "bob", Event-Timestamp = {now}')
    expect("Received Disconnect-NAK" in said and "Session-Context-Not-Found" in said, said)
    said = ask("coa", f'User-Name = "alice", Session-Timeout = 60, Event-Timestamp = {now}')
    expect("Received CoA-ACK" in said, said)
    said = ask("coa", f'User-Name = "alice", NAS-Identifier = "another", Event-Timestamp = {now}')
    expect("NAS-Identification-Mismatch" in said, said)
    heard = log.read_text()
    expect("disconnect alice" in heard and "coa alice timeout=60" in heard, heard)
    for refused in (ask("disconnect", f'User-Name = "alice", Event-Timestamp = {now}', "wrong"),
                    ask("disconnect", 'User-Name = "alice"'),
                    ask("disconnect", f'User-Name = "alice", Event-Timestamp = {now - 600}')):
        expect("Received" not in refused, refused)
    return 0


def wrong_secret(lab, options):
    """The server ignores what it cannot verify; we end with its silence."""
    setting = Setting(lab, options)
    setting.server.start()
    done = setting.speak("mschapv2", secret="another secret")
    expect(done.returncode == 1 and "backend_silent" in done.stdout, done.stdout)


def nobody_there(lab, options):
    """A port on which nobody listens is silence too."""
    setting = Setting(lab, options)
    done = setting.speak("mschapv2")
    expect(done.returncode == 1 and "backend_silent" in done.stdout, done.stdout)


CASES = {case.__name__: case for case in (small_fragments, ipv6, dynamic, wrong_secret, nobody_there)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[*METHODS, *CASES])
    parser.add_argument("--driver", required=True)
    options = parser.parse_args()
    if not Path(FREERADIUS).exists():
        print("skipped: no freeradius here")
        return 77
    code = 0
    with Lab("capr") as lab:
        try:
            if options.case in CASES:
                code = CASES[options.case](lab, options) or 0
            else:
                method(lab, options, options.case)
        except (LabError, subprocess.TimeoutExpired) as error:
            print(error)
            return 1
    print("passed" if code == 0 else "")
    return code


if __name__ == "__main__":
    sys.exit(main())
