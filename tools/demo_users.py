#!/usr/bin/env python3
"""Remote access: a gateway, users that FreeRADIUS knows, and three laptops.

    laptop 1..3 --- internet --- gateway --- LAN: FreeRADIUS, DNS for corp.example

Laptop 1 has a certificate, laptop 2 a password (EAP-MSCHAPv2 through RADIUS), laptop 3 a certificate
inside of EAP-TLS through RADIUS. Each gets an address and asks the gateway's DNS server for names
of corp.example. Prints what it saw. Needs root; makes its own network namespaces and takes
everything away again, also on Ctrl-C.
"""
import argparse
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests" / "interop"))
from authority import Authority  # noqa: E402
from freeradius import SECRET, FreeRadius  # noqa: E402
from lab import Caponier, Lab, LabError, TwoGateways, ping, wait_until  # noqa: E402

SERVER, RADIUS = "vpn.example.org", "radius.example.org"
PASSWORD = "correct horse, battery"
NAME, ADDRESS = "intranet.corp.example", "10.2.0.10"

DNS = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
print("ready", flush=True)
while True:
    query, peer = s.recvfrom(512)
    end = query.index(0, 12) + 5
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode()); at += query[at] + 1
    is_a = query[at + 1:at + 3] == b"\\0\\1"
    known = ".".join(labels) == sys.argv[2] and is_a
    answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + socket.inet_aton(sys.argv[3]) if known else b""
    s.sendto(query[:2] + b"\\x85\\x80\\0\\1" + struct.pack(">HHH", known, 0, 0) + query[12:end] + answer, peer)
"""

SERVER_CONFIG = f"""\
[server]
name          = "{SERVER}"
pool          = ["10.9.0.0/24"]
local_nets    = ["10.2.0.0/24"]
dns           = ["10.2.0.10"]
domains       = ["corp.example"]
radius        = ["10.2.0.10"]
radius_secret = "@radius"
"""
CLIENT_CONFIG = f"""\
[client.work]
remote      = "{SERVER}"
ca          = ["ca.pem"]
remote_nets = ["10.2.0.0/24"]
"""
WAYS = {
    "alice": ("certificate", 'cert = "user.pem"\nkey = "user.key"\n'),
    "bob": ("MSCHAPv2 by RADIUS", 'user = "bob"\npassword = "@password"\n'),
    "carol": ("EAP-TLS by RADIUS", f'auth = "eap"\nuser = "carol"\ncert = "user.pem"\n'
                                   f'key = "user.key"\neap_server = "{RADIUS}"\n'),
}


def put(folder, path, text, private=False):
    file = folder / path
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o600 if private else 0o644)


class Etc:
    """hosts and resolv.conf of one namespace."""

    def __init__(self, host, gateway):
        self.folder = Path("/etc/netns") / host.netns
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "hosts").write_text(f"{gateway} {SERVER}\n")
        (self.folder / "resolv.conf").write_text("nameserver 192.0.2.53\n")

    @property
    def resolv_conf(self):
        return (self.folder / "resolv.conf").read_text()

    def close(self):
        for file in self.folder.iterdir():
            file.unlink()
        self.folder.rmdir()


class Demo:
    def __init__(self, lab, binaries):
        self.lab, self.bin = lab, binaries
        self.net = TwoGateways(lab)
        self.authority = Authority("Example CA")
        self.etc = {}

    def start_lan(self):
        lan = self.net.client_b
        log = self.lab.folder / "dns.log"
        lan.start("dns", ["/usr/bin/python3", "-c", DNS, ADDRESS, NAME, ADDRESS], log)
        wait_until(lambda: "ready" in log.read_text(), 5, "the DNS server")
        radius = FreeRadius(self.lab, lan, ADDRESS, "10.2.0.0/24", {"bob": PASSWORD})
        certificate, key = self.authority.issue(RADIUS, server=True)
        for name, text in (("server.pem", certificate), ("server.key", key),
                           ("ca.pem", self.authority.pem)):
            (radius.folder / name).write_text(text)
        radius.start()

    def start_gateway(self):
        self.gateway = Caponier(self.lab, self.net.gw_b, SERVER_CONFIG, {"radius": SECRET},
                                self.bin)
        certificate, key = self.authority.issue(SERVER, server=True)
        put(self.gateway.folder, f"pki/certs/{SERVER}.pem", certificate)
        put(self.gateway.folder, f"pki/certs/{SERVER}.key", key, private=True)
        put(self.gateway.folder, "pki/ca/ca.pem", self.authority.pem)
        self.gateway.start()

    def start_laptop(self, number, user):
        host = self.lab.host(f"laptop-{number}")
        self.lab.link(host, f"198.18.{number}.1/24", self.net.net, f"198.18.{number}.254/24")
        host.ip("route", "add", "default", "via", f"198.18.{number}.254")
        self.etc[user] = Etc(host, self.net.OUTER_B)
        daemon = Caponier(self.lab, host, CLIENT_CONFIG + WAYS[user][1], {"password": PASSWORD},
                          self.bin)
        certificate, key = self.authority.issue(f"{user}@example.org")
        put(daemon.folder, "pki/ca.pem", self.authority.pem)
        put(daemon.folder, "pki/user.pem", certificate)
        put(daemon.folder, "pki/user.key", key, private=True)
        daemon.start()
        return daemon

    def check(self, user, daemon):
        """The inner address, once name and network answer through the tunnel."""
        daemon.wait_up("work")
        found = daemon.host.run("getent", "ahostsv4", NAME, check=False).stdout
        if ADDRESS not in found:
            raise LabError(f"{user}: {NAME} does not resolve: {found!r}\n{daemon.log}")
        received, milliseconds = ping(daemon.host, NAME)
        if received != 3:
            raise LabError(f"{user}: {received} of 3 pings came back\n{daemon.log}")
        inner = daemon.status("work")["inner"][0]
        print(f"{user:6} {WAYS[user][0]:19} {inner:10} {NAME} -> {ADDRESS}  "
              f"ping {milliseconds:.2f} ms")

    def run(self):
        self.start_lan()
        self.start_gateway()
        laptops = {user: self.start_laptop(number, user)
                   for number, user in enumerate(WAYS, start=1)}
        for user, daemon in laptops.items():
            self.check(user, daemon)
        print("\n$ caponier status users")
        print(self.gateway.cli("status", "users").stdout)
        users = self.gateway.status("users")["users"]
        if len(users) != len(WAYS):
            raise LabError(f"{len(users)} users are in\n{self.gateway.log}")
        for user, daemon in laptops.items():
            daemon.cli("down", "work")
            wait_until(lambda: "192.0.2.53" in self.etc[user].resolv_conf, 5,
                       f"the DNS servers of {user} to come back")
        wait_until(lambda: not self.gateway.status("users")["children"], 10, "all users to leave")

    def close(self):
        for etc in self.etc.values():
            etc.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="folder of caponierd and caponier")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        with Lab("capr") as lab:
            demo = Demo(lab, options.bin)
            try:
                demo.run()
            finally:
                demo.close()
    except LabError as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    print(f"demo passed in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
