#!/usr/bin/env python3
"""Who are you: certificates, raw keys, users by EAP, inner addresses; one case per call.

  test_users.py CASE --bin DIR

gw-b is the server (vpn.example.org) with client-b's network behind it; gw-a is the user. With
strongSwan the user or the server is charon 5.9.8. Exit code 77 with "skipped: why".
"""
import argparse
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from authority import Authority, pem_of_key, raw_key, KINDS  # noqa: E402
from lab import Caponier, Lab, LabError, TwoGateways, ping, wait_until  # noqa: E402
from strongswan import InNamespace  # noqa: E402

SERVER = "vpn.example.org"
USER, PASSWORD = "alice", "correct horse, battery"


def put(daemon, path, text, private=False):
    file = daemon.folder / path
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o600 if private else 0o644)


def check(condition, what, daemon=None):
    if not condition:
        raise LabError(what + (f"\n{daemon.log}" if daemon else ""))


class Users:
    def __init__(self, lab, options, kind="p256"):
        self.lab, self.bin = lab, options.bin
        self.net = TwoGateways(lab)
        self.authority = Authority()
        self.kind = kind
        self.server_more = ""
        # The server is known by name.
        etc = Path("/etc/netns") / self.net.gw_a.netns
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "hosts").write_text(f"{self.net.OUTER_B} {SERVER}\n")
        (etc / "resolv.conf").write_text("nameserver 192.0.2.53\n")
        self.etc = etc

    def close(self):
        for file in self.etc.iterdir():
            file.unlink()
        self.etc.rmdir()

    # -- our server and our user

    def server(self, more="", passwords=True, radius=False):
        text = (f'[server]\nname = "{SERVER}"\npool = ["10.9.0.0/24"]\n'
                f'local_nets = ["10.2.0.0/24"]\ndns = ["10.2.0.10"]\n'
                f'domains = ["corp.example"]\n{more}')
        if passwords:
            text += "passwords = true\n"
        daemon = Caponier(self.lab, self.net.gw_b, text, {"radius": "kGq8ZxuW3tYb"}, self.bin)
        certificate, key = self.authority.issue(SERVER, self.kind, server=True)
        put(daemon, f"pki/certs/{SERVER}.pem", certificate)
        put(daemon, f"pki/certs/{SERVER}.key", key, private=True)
        put(daemon, "pki/ca/ca.pem", self.authority.pem)
        put(daemon, f"secrets/users/{USER}", PASSWORD + "\n", private=True)
        self.ours = daemon.start()
        return daemon

    def user(self, more, certificate=None, password=PASSWORD, remote_nets="10.2.0.0/24"):
        text = (f'[client.work]\nremote = "{SERVER}"\nca = ["ca.pem"]\n'
                f'remote_nets = ["{remote_nets}"]\n{more}')
        daemon = Caponier(self.lab, self.net.gw_a, text, {"alice": password}, self.bin)
        put(daemon, "pki/ca.pem", self.authority.pem)
        if certificate:
            put(daemon, "pki/alice.pem", certificate[0])
            put(daemon, "pki/alice.key", certificate[1], private=True)
        self.theirs = daemon.start()
        return daemon

    def another_user(self, more, certificate):
        """On the same machine, after the first has left."""
        self.theirs.stop()
        text = self.theirs.config.read_text()
        self.theirs.config.write_text(text[:text.index("remote_nets")] +
                                      'remote_nets = ["10.2.0.0/24"]\n' + more)
        put(self.theirs, "pki/alice.pem", certificate[0])
        put(self.theirs, "pki/alice.key", certificate[1], private=True)
        self.theirs.start()

    CERTIFICATE = 'cert = "alice.pem"\nkey = "alice.key"\n'
    BY_PASSWORD = f'user = "{USER}"\npassword = "@alice"\n'

    def check_works(self, inner="10.9.0.1"):
        """An inner address, traffic, and DNS; and nothing left at the end."""
        addresses = self.net.gw_a.run("ip", "-br", "addr").stdout
        check(inner in addresses, f"{inner} is not there:\n{addresses}", self.theirs)
        received, _ = ping(self.net.gw_a, "10.2.0.10")
        check(received == 3, f"{received} of 3 pings came back", self.ours)
        conf = (self.etc / "resolv.conf").read_text()
        check("nameserver 10.2.0.10" in conf and "corp.example" in conf, f"resolv.conf: {conf}")

    def check_leaves_nothing(self):
        self.theirs.cli("down", "work")
        wait_until(lambda: "10.9.0" not in self.net.gw_a.run("ip", "-br", "addr").stdout, 5,
                   "the inner address to go")
        conf = (self.etc / "resolv.conf").read_text()
        check(conf == "nameserver 192.0.2.53\n", f"resolv.conf is not as before: {conf}")
        wait_until(lambda: not self.ours.status("users")["children"], 10, "the user to leave")

    # -- strongSwan

    def charon(self, host, conf, plugins):
        swan = InNamespace(self.lab, host, plugins=plugins)
        for folder, files in conf.pop("files").items():
            (swan.folder / folder).mkdir(exist_ok=True)
            for name, text in files.items():
                path = swan.folder / folder / name
                path.write_text(text)
                path.chmod(0o600)
        swan.load(conf["swanctl"])
        return swan


EAP_PLUGINS = "eap-identity eap-mschapv2 eap-md5 md4 md5 des fips-prf pkcs8 sha1 updown attr "


def connection(local, remote, local_ts, remote_ts, addresses, more=""):
    return f"""
connections {{
  caponier {{
    version = 2
    local_addrs = {addresses[0]}
    remote_addrs = {addresses[1]}
    proposals = aes256gcm16-prfsha384-x25519
    {more}
    local {{
      {local}
    }}
    remote {{
      {remote}
    }}
    children {{
      net {{
        local_ts = {local_ts}
        remote_ts = {remote_ts}
        esp_proposals = aes256gcm16
      }}
    }}
  }}
}}
"""


def certificate(users, options):
    users.server()
    users.user(users.CERTIFICATE, users.authority.issue("alice@example.org"))
    users.theirs.wait_up("work")
    users.check_works()
    status = users.ours.status("users")
    check(status["users"][0]["identity"] == "alice@example.org", f"status: {status}")
    users.check_leaves_nothing()


def password(users, options):
    users.server()
    users.user(users.BY_PASSWORD)
    users.theirs.wait_up("work")
    users.check_works()
    check(users.ours.status("users")["users"][0]["user"] == USER, "the user's name", users.ours)
    users.check_leaves_nothing()


EAP_TLS = (f'auth = "eap"\nuser = "{USER}@example.org"\n'
           'cert = "alice.pem"\nkey = "alice.key"\n')


def eap_tls(users, options):
    users.server(passwords=False)
    users.user(EAP_TLS, users.authority.issue("alice@example.org"))
    users.theirs.wait_up("work")
    users.check_works()
    check(users.ours.status("users")["users"][0]["user"] == "alice@example.org", "the user's name",
          users.ours)
    users.check_leaves_nothing()


def eap_tls_expired(users, options):
    """The same rules hold for certificates inside of EAP."""
    users.server(passwords=False)
    users.user(EAP_TLS, users.authority.issue("alice@example.org", days=(-9, -2)))
    try:
        wait_until(lambda: "EAP with" in users.ours.log and "expired" in users.ours.log, 15,
                   "the server to refuse")
    except LabError as error:
        raise LabError(f"{error}\n{users.ours.log}\n{users.theirs.log}") from None
    check(not users.ours.status("users")["children"], "an expired certificate came in", users.ours)


def wrong_password(users, options):
    users.server()
    users.user(users.BY_PASSWORD, password="wrong")
    wait_until(lambda: "EAP with" in users.ours.log and "failed" in users.ours.log, 15,
               "the server to refuse")
    check(not users.ours.status("users")["children"], "a wrong password came in", users.ours)


def wrong_passwords(users, options):
    """Who tries often has to wait, and is told so in status; others from there have not."""
    users.server()
    put(users.ours, "secrets/users/bob", PASSWORD + "\n", private=True)
    users.ours.cli("reload")
    users.user(users.BY_PASSWORD + 'retry_min = "1s"\nretry_max = "1s"\n', password="wrong")
    wait_until(lambda: "after 5 wrong passwords in a row" in users.ours.log, 40, "the pause")
    text = users.ours.cli("status", check=False).stdout
    check('no user "alice" is let in' in text, f"status: {text}", users.ours)
    users.theirs.stop()
    put(users.theirs, "secrets/alice", PASSWORD + "\n", private=True)
    users.theirs.config.write_text(users.theirs.config.read_text().replace(
        f'user = "{USER}"', 'user = "bob"'))
    users.theirs.start()
    users.theirs.wait_up("work")


def expired(users, options):
    users.server()
    users.user(users.CERTIFICATE, users.authority.issue("alice@example.org", days=(-9, -2)))
    wait_until(lambda: "expired" in users.ours.log or "ended" in users.ours.log, 15,
               "the server to say why")
    check(not users.ours.status("users")["children"], "an expired certificate came in", users.ours)


def revoked(users, options):
    """A CRL that appears counts from the next reload on."""
    alice = users.authority.issue("alice@example.org")
    users.server()
    users.user(users.CERTIFICATE, alice)
    users.theirs.wait_up("work")
    users.authority.revoke(alice[0])
    put(users.ours, "pki/crl/ca.crl", users.authority.crl)
    users.ours.cli("reload")
    users.theirs.cli("down", "work")
    users.theirs.cli("up", "work", check=False)
    wait_until(lambda: "revoked" in users.ours.log, 15, "the server to say why")
    check(not users.ours.status("users")["children"], "a revoked certificate came in", users.ours)


def wrong_server(users, options):
    """Whoever has a certificate of the authority is not the server for that."""
    users.server()
    certificate, key = users.authority.issue("other.example.org", server=True)
    put(users.ours, f"pki/certs/{SERVER}.pem", certificate)
    put(users.ours, f"pki/certs/{SERVER}.key", key, private=True)
    users.ours.config.write_text(users.ours.config.read_text())
    users.ours.cli("reload")
    users.user(users.CERTIFICATE, users.authority.issue("alice@example.org"))
    wait_until(lambda: "vpn.example.org" in users.theirs.log and "wrong" in users.theirs.log, 15,
               "the user to refuse")
    check(not users.theirs.status("work")["children"], "the wrong server was believed",
          users.theirs)


def renewed_files(users, options):
    """What ends soon is said; a renewed certificate is taken without a command and ends nothing."""
    users.server()
    old, key = users.authority.issue(SERVER, server=True, days=(-9, 5))
    put(users.ours, f"pki/certs/{SERVER}.key", key, private=True)
    put(users.ours, f"pki/certs/{SERVER}.pem", old)
    wait_until(lambda: "pki.files.changed" in users.ours.log or "changed: what" in users.ours.log, 25,
               f"the first change\n{users.ours.log}")
    status = users.ours.status()
    check(any("ends in 4 days" in note for note in status["notes"]), f"notes: {status['notes']}")
    ends = [end for end in status["expiries"] if SERVER in end["name"]]
    check(len(ends) == 1 and ends[0]["not_after"] > 0, f"expiries: {status['expiries']}")
    users.user(users.CERTIFICATE, users.authority.issue("alice@example.org"))
    users.theirs.wait_up("work")
    spi = users.ours.status("users")["children"][0]
    new, key = users.authority.issue(SERVER, server=True)
    put(users.ours, f"pki/certs/{SERVER}.key", key, private=True)
    put(users.ours, f"pki/certs/{SERVER}.pem", new)
    wait_until(lambda: not any("4 days" in note for note in users.ours.status()["notes"]), 25,
               "the new certificate to count")
    check(users.ours.status("users")["children"][0]["spi_in"] == spi["spi_in"],
          "the user's tunnel is another", users.ours)
    users.check_works()
    users.theirs.cli("down", "work")
    users.theirs.cli("up", "work")
    users.theirs.wait_up("work")


def broken_files(users, options):
    """A file that cannot be used leaves in force what was there, and says so."""
    users.server()
    alice = users.authority.issue("alice@example.org")
    users.user(users.CERTIFICATE, alice)
    users.theirs.wait_up("work")
    put(users.ours, f"pki/certs/{SERVER}.pem", "no certificate")
    wait_until(lambda: "what was read before stays in force" in users.ours.log, 20,
               f"the server to say so\n{users.ours.log}")
    users.theirs.cli("down", "work")
    users.theirs.cli("up", "work")
    users.theirs.wait_up("work")
    users.check_works()


def appearing_crl(users, options):
    """A CRL that appears counts without a command."""
    alice = users.authority.issue("alice@example.org")
    users.server()
    users.user(users.CERTIFICATE, alice)
    users.theirs.wait_up("work")
    users.authority.revoke(alice[0])
    put(users.ours, "pki/crl/ca.crl", users.authority.crl)
    wait_until(lambda: "ca.crl changed" in users.ours.log, 20, "the server to see it")
    users.theirs.cli("down", "work")
    users.theirs.cli("up", "work", check=False)
    wait_until(lambda: "revoked" in users.ours.log, 15, "the server to say why")
    check(not users.ours.status("users")["children"], "a revoked certificate came in", users.ours)


def raw_keys(users, options):
    """[site] by raw public keys on both sides (RFC 7670)."""
    net, lab = users.net, users.lab
    keys = {"a": KINDS["ed25519"](), "b": KINDS["p256"]()}

    def daemon(host, remote, own, peers, local_net, remote_net, start):
        text = (f'[site.peer]\nremote = "{remote}"\nkey = "own.key"\n'
                f'peer_key = "{raw_key(keys[peers])}"\nlocal_nets = ["{local_net}"]\n'
                f'remote_nets = ["{remote_net}"]\nstart = {start}\n')
        made = Caponier(lab, host, text, {}, options.bin)
        put(made, "pki/own.key", pem_of_key(keys[own]), private=True)
        return made.start()
    daemon(net.gw_b, net.OUTER_A, "b", "a", "10.2.0.0/24", "10.1.0.0/24", "false")
    ours = daemon(net.gw_a, net.OUTER_B, "a", "b", "10.1.0.0/24", "10.2.0.0/24", "true")
    ours.wait_up("peer")
    check(ping(net.client_a, "10.2.0.10")[0] == 3, "ping", ours)


def strongswan_user(users, local, files, secrets, plugins, server=True):
    if server:
        users.server(users.server_more)
    conf = connection(local, f"auth = pubkey\n id = {SERVER}", "dynamic", "10.2.0.0/24",
                      (users.net.OUTER_A, users.net.OUTER_B), "vips = 0.0.0.0,::") + secrets
    swan = users.charon(users.net.gw_a, {"swanctl": conf, "files": {
        "x509ca": {"ca.pem": users.authority.pem}, **files}}, plugins)
    swan.initiate()
    sas = swan.sas()
    check("10.9.0.1" in sas, f"no inner address:\n{sas}\n{swan.log}")
    received, _ = ping(users.net.gw_a, "10.2.0.10")
    check(received == 3, f"{received} of 3 pings came back", users.ours)
    swan.terminate()
    wait_until(lambda: not users.ours.status("users")["children"], 10, "the user to leave")


def strongswan_certificate(users, options):
    certificate, key = users.authority.issue("alice@example.org", options.kind)
    strongswan_user(users, "auth = pubkey\n certs = alice.pem\n id = alice@example.org",
                    {"x509": {"alice.pem": certificate}, "private": {"alice.pem": key}}, "",
                    EAP_PLUGINS)


def strongswan_eap_tls(users, options):
    certificate, key = users.authority.issue("alice@example.org", options.kind)
    strongswan_user(users, "auth = eap-tls\n certs = alice.pem\n id = alice@example.org",
                    {"x509": {"alice.pem": certificate}, "private": {"alice.pem": key}}, "",
                    EAP_PLUGINS + "eap-tls ")


def strongswan_mschapv2(users, options):
    strongswan_user(users, f"auth = eap-mschapv2\n eap_id = {USER}\n id = {USER}", {},
                    f'secrets {{\n eap-alice {{\n id = {USER}\n secret = "{PASSWORD}"\n }}\n}}\n',
                    EAP_PLUGINS)


def strongswan_ttls(users, options):
    """Our own EAP server offers TTLS, with MSCHAPv2 inside."""
    users.server_more = 'eap = ["ttls"]\n'
    strongswan_user(users, f"auth = eap-ttls\n eap_id = {USER}\n id = {USER}", {},
                    f'secrets {{\n eap-alice {{\n id = {USER}\n secret = "{PASSWORD}"\n }}\n}}\n',
                    EAP_PLUGINS + "eap-tls eap-ttls ")


def by_hand(users, method, inner, *arguments, more="", password=PASSWORD):
    """wpa_supplicant's EAP client, which has no IKE, behind an IKE made by hand."""
    users.server(f'eap = ["{method}"]\n{more}')
    folder = users.lab.folder
    (folder / "ca.pem").write_text(users.authority.pem)
    conf = folder / "network.conf"
    conf.write_text(f"""network={{
  key_mgmt=IEEE8021X
  eapol_flags=0
  eap={method.upper()}
  identity="{USER}"
  anonymous_identity="anonymous"
  password="{password}"
  ca_cert="{folder}/ca.pem"
  {'phase1="peapver=0"' if method == "peap" else ""}
  phase2="{inner}"
}}
""")
    script = Path(__file__).resolve().parent / "by_hand.py"
    done = users.net.gw_a.run("/usr/bin/python3", str(script), users.net.OUTER_B, str(conf),
                              *arguments, check=False)
    log = Path(f"{conf}.log")
    said = f"{done.stdout}{done.stderr}\n{log.read_text()[-3000:] if log.exists() else ''}"
    check(done.returncode == 0, said, users.ours)
    return done.stdout.splitlines()


def wpa_peap(users, options):
    said = by_hand(users, "peap", "auth=MSCHAPV2")
    check("given 10.9.0.1" in said, f"{said}", users.ours)
    check(users.ours.status("users")["users"][0]["user"] == USER, "the user's name", users.ours)


def wpa_peap_wrong_password(users, options):
    said = by_hand(users, "peap", "auth=MSCHAPV2", password="battery staple")
    check(said == ["refused"], f"{said}", users.ours)
    check(not users.ours.status("users")["children"], "a wrong password came in", users.ours)


def wpa_ttls(users, options):
    said = by_hand(users, "ttls", "auth=PAP")
    check("given 10.9.0.1" in said, f"{said}", users.ours)
    check(users.ours.status("users")["users"][0]["user"] == USER, "the user's name", users.ours)


def windows_dhcp(users, options):
    """One that looks like Windows asks inside its tunnel which networks it may reach."""
    said = by_hand(users, "peap", "auth=MSCHAPV2", "--windows", more='wins = ["10.2.0.44"]\n')
    own = "0a0200" + "01"
    for line in ("given 10.9.0.1", "server 10.2.0.1", "dhcp 6 0a02000a", f"dhcp 54 {own}",
                 "dhcp 44 0a02002c", "dhcp 15 " + b"corp.example".hex(),
                 "dhcp 121 180a020000000000", "dhcp 249 180a020000000000"):
        check(line in said, f"{line} is not in {said}", users.ours)
    check("told its networks by DHCP" in users.ours.log, "the event", users.ours)


def strongswan_server(users, remote, secrets, ours, certificate=None):
    server_certificate, key = users.authority.issue(SERVER, server=True)
    conf = connection(f"auth = pubkey\n certs = server.pem\n id = {SERVER}", remote,
                      "10.2.0.0/24", "dynamic", (users.net.OUTER_B, "%any"),
                      "pools = inner\n send_cert = always")
    conf += "pools {\n inner {\n addrs = 10.9.0.0/24\n dns = 10.2.0.10\n }\n}\n" + secrets
    swan = users.charon(users.net.gw_b, {"swanctl": conf, "files": {
        "x509ca": {"ca.pem": users.authority.pem}, "x509": {"server.pem": server_certificate},
        "private": {"server.pem": key}}}, EAP_PLUGINS)
    users.user(ours, certificate)
    users.theirs.wait_up("work")
    received, _ = ping(users.net.gw_a, "10.2.0.10")
    check(received == 3, f"{received} of 3 pings came back\n{swan.log}", users.theirs)
    check("10.9.0.1" in users.net.gw_a.run("ip", "-br", "addr").stdout, "no inner address")
    users.theirs.cli("down", "work")
    wait_until(lambda: "ESTABLISHED" not in swan.sas(), 10, "strongSwan to see the delete")


def strongswan_server_certificate(users, options):
    strongswan_server(users, "auth = pubkey", "", users.CERTIFICATE,
                      users.authority.issue("alice@example.org", options.kind))


def strongswan_server_mschapv2(users, options):
    strongswan_server(users, "auth = eap-mschapv2\n eap_id = %any",
                      f'secrets {{\n eap-a {{\n id = {USER}\n secret = "{PASSWORD}"\n }}\n}}\n',
                      users.BY_PASSWORD)


def free_radius(users, **more):
    from freeradius import FREERADIUS, FreeRadius
    if not Path(FREERADIUS).exists():
        print("skipped: FreeRADIUS is not installed")
        sys.exit(77)
    return FreeRadius(users.lab, users.net.client_b, "10.2.0.10", "10.2.0.0/24",
                      {USER: PASSWORD, "bob": PASSWORD}, **more).start()


RADIUS = 'radius = ["10.2.0.10"]\nradius_secret = "@radius"\n'


def radius(users, options):
    free_radius(users)
    users.server(RADIUS, passwords=False)
    users.user(users.BY_PASSWORD)
    users.theirs.wait_up("work")
    users.check_works("10.9.0.7")
    check(users.ours.status("users")["users"][0]["user"] == USER, "the user's name", users.ours)
    users.check_leaves_nothing()


def radius_accounting(users, options):
    """Start, what was carried, and Stop with its cause, as FreeRADIUS writes them down."""
    server = free_radius(users)
    users.server(RADIUS + "radius_accounting = true\n", passwords=False)
    users.user(users.BY_PASSWORD)
    users.theirs.wait_up("work")
    users.check_works("10.9.0.7")
    wait_until(lambda: "Acct-Status-Type = Start" in server.accounting, 10, "Start")
    user = users.ours.status("users")["users"][0]
    check(3500 < user["ends_in_seconds"] <= 3600, f"Session-Timeout: {user}", users.ours)
    users.check_leaves_nothing()
    wait_until(lambda: "Acct-Status-Type = Stop" in server.accounting, 10, "Stop")
    start, stop = server.accounting.split("Acct-Status-Type = Stop")
    for text in (f'User-Name = "{USER}"', "Framed-IP-Address = 10.9.0.7", "Class = 0x0102030405",
                 "NAS-Identifier"):
        check(text in start, f"no {text} in Start:\n{start}")
    for text in ("Acct-Input-Packets = 3", "Acct-Output-Packets = 3", "Acct-Input-Octets = 252",
                 "Acct-Terminate-Cause = User-Request", "Acct-Session-Time"):
        check(text in stop, f"no {text} in Stop:\n{stop}")


def radius_stop_at_shutdown(users, options):
    server = free_radius(users)
    users.server(RADIUS + "radius_accounting = true\n", passwords=False)
    users.user(users.BY_PASSWORD)
    users.theirs.wait_up("work")
    users.ours.stop()
    wait_until(lambda: "Acct-Terminate-Cause = Admin-Reboot" in server.accounting, 10, "Stop")


def radius_dynamic(users, options):
    """radclient changes a session, is refused what is not to be had, and ends it."""
    server = free_radius(users)
    users.server(RADIUS + 'radius_accounting = true\nradius_coa = "10.2.0.1"\n', passwords=False)
    users.user(users.BY_PASSWORD + "retry_min = \"30s\"\n")
    users.theirs.wait_up("work")
    name = f'User-Name = "{USER}"'

    def ask(command, *attributes):
        return server.ask(command, attributes, "10.2.0.1")
    said = ask("coa", name, "Session-Timeout = 1000")
    check("CoA-ACK" in said, said, users.ours)
    left = users.ours.status("users")["users"][0]["ends_in_seconds"]
    check(900 < left <= 1000, f"{left} s are left")
    said = ask("coa", name, "Framed-IP-Address = 10.9.0.9")
    check("CoA-NAK" in said and "Session-Context-Not-Found" in said, said)
    said = ask("coa", name, 'Framed-Route = "10.8.0.0/24"')
    check("CoA-NAK" in said and "Unsupported-Attribute" in said, said)
    said = ask("disconnect", 'User-Name = "nobody"')
    check("Disconnect-NAK" in said and "Session-Context-Not-Found" in said, said)
    said = ask("disconnect", name)
    check("Disconnect-ACK" in said, said, users.ours)
    wait_until(lambda: "Acct-Terminate-Cause = Admin-Reset" in server.accounting, 10, "Stop")
    check(not users.ours.status("users")["children"], "the user is still in", users.ours)


def lease_after_restart(users, options):
    """The daemon is killed; who comes again gets the same address, and nobody else does."""
    users.server()
    users.user(users.BY_PASSWORD)
    users.theirs.wait_up("work")
    wait_until(lambda: "10.9.0.1" in users.ours.cli("leases").stdout, 5, "the lease")
    time.sleep(0.5)
    users.theirs.stop(signal.SIGKILL)
    users.ours.stop(signal.SIGKILL)
    users.ours.start()
    text = users.ours.cli("leases").stdout
    check(f"10.9.0.1  {USER}\n" == text, f"leases: {text}", users.ours)
    users.another_user(users.CERTIFICATE, users.authority.issue("carol@example.org"))
    users.theirs.wait_up("work")
    check("10.9.0.2" in users.net.gw_a.run("ip", "-br", "addr").stdout, "carol's", users.ours)
    users.ours.cli("leases", "--release", "10.9.0.1")
    check("alice" not in users.ours.cli("leases").stdout, "it is still kept", users.ours)
    users.ours.stop()
    path = users.ours.folder / "state/leases.db"
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 20)
    users.ours.start()
    check("is set aside" in users.ours.log, "nothing is said of the broken file", users.ours)


def groups(users, options):
    """Two users of one server, in two groups: other networks, other pools, and nothing else."""
    users.net.client_b.run("ip", "address", "add", "10.2.0.77/24", "dev", "eth0")
    users.server('others = "refuse"\n')
    with users.ours.config.open("a") as config:
        config.write('[group.near]\nmembers = ["alice"]\nnetworks = ["10.2.0.0/26"]\n'
                     'pool = ["10.9.1.0/24"]\n'
                     '[group.far]\nunits = ["Far"]\nnetworks = ["10.2.0.64/26"]\n'
                     'pool = ["10.9.2.0/24"]\n')
    users.ours.cli("reload")
    users.user(users.BY_PASSWORD)
    users.theirs.wait_up("work")
    check("10.9.1.1" in users.net.gw_a.run("ip", "-br", "addr").stdout, "the pool", users.ours)
    check(users.ours.status("users")["users"][0]["group"] == "near", "the group", users.ours)
    check(ping(users.net.gw_a, "10.2.0.10")[0] == 3, "its network is not reached", users.ours)
    check(ping(users.net.gw_a, "10.2.0.77")[0] == 0, "the other network is reached", users.ours)
    users.another_user(users.CERTIFICATE, users.authority.issue("carol@example.org", unit="Far"))
    users.theirs.wait_up("work")
    check("10.9.2.1" in users.net.gw_a.run("ip", "-br", "addr").stdout, "the pool", users.ours)
    check(ping(users.net.gw_a, "10.2.0.77")[0] == 3, "its network is not reached", users.ours)
    check(ping(users.net.gw_a, "10.2.0.10")[0] == 0, "the other network is reached", users.ours)
    users.another_user(users.CERTIFICATE, users.authority.issue("mallory@example.org"))
    wait_until(lambda: "no group has this user" in users.ours.log, 15, "the server to refuse")


def group_by_policy(users, options):
    """EAP-TLS: the policy of the certificate chooses the group."""
    policy = "1.3.6.1.4.1.32473.1"
    users.server('others = "refuse"\n', passwords=False)
    with users.ours.config.open("a") as config:
        config.write(f'[group.staff]\npolicies = ["{policy}"]\npool = ["10.9.1.0/24"]\n')
    users.ours.cli("reload")
    users.user(EAP_TLS, users.authority.issue("alice@example.org", policy=policy))
    users.theirs.wait_up("work")
    check("10.9.1.1" in users.net.gw_a.run("ip", "-br", "addr").stdout, "the pool", users.ours)
    check(users.ours.status("users")["users"][0]["group"] == "staff", "the group", users.ours)


# -- RFC 4739: the machine by its certificate, then the user by EAP

SERVER_ROUNDS = ('eap = ["mschapv2"]\n[[server.remote_rounds]]\nauth = "pubkey"\n'
                 'id = "*.pcs.example.org"\n[[server.remote_rounds]]\nauth = "eap"\n')
USER_ROUNDS = ('[[client.work.local_rounds]]\nauth = "pubkey"\n'
               '[[client.work.local_rounds]]\nauth = "eap"\n')
MACHINE = "pc7.pcs.example.org"


def server_of_machines(users):
    """The rounds are tables of their own: behind everything else of [server]."""
    users.server("passwords = true\n" + SERVER_ROUNDS, passwords=False)


def rounds(users, options):
    server_of_machines(users)
    users.user(users.CERTIFICATE + users.BY_PASSWORD + USER_ROUNDS,
               users.authority.issue(MACHINE))
    users.theirs.wait_up("work")
    users.check_works()
    user = users.ours.status("users")["users"][0]
    check(user["user"] == USER and user["earlier_ids"] == [MACHINE], f"status: {user}", users.ours)
    text = users.ours.cli("status", "users").stdout
    check(f"{USER} after {MACHINE}" in text, f"status: {text}")
    users.check_leaves_nothing()


def rounds_missing(users, options):
    """A user without the machine's certificate, a machine without its user."""
    server_of_machines(users)
    users.user(users.CERTIFICATE, users.authority.issue(MACHINE))
    wait_until(lambda: "but the configuration demands 2 rounds; next: EAP" in users.ours.log, 15,
               f"the server to say why\n{users.ours.log}")
    check(not users.ours.status("users")["children"], "one round was enough", users.ours)
    users.another_user(users.BY_PASSWORD, users.authority.issue(MACHINE))
    wait_until(lambda: "authenticates by EAP" in users.ours.log, 15, "the server to refuse")
    check(not users.ours.status("users")["children"], "one round was enough", users.ours)


def strongswan_rounds(users, options):
    """strongSwan is the machine and its user."""
    server_of_machines(users)
    certificate, key = users.authority.issue(MACHINE)
    text = connection(
        f"round = 1\n      auth = pubkey\n      certs = pc.pem\n      id = {MACHINE}",
        f"auth = pubkey\n      id = {SERVER}", "dynamic", "10.2.0.0/24",
        (users.net.OUTER_A, users.net.OUTER_B), "vips = 0.0.0.0")
    text = text.replace("    remote {", f"""    local-2 {{
      round = 2
      auth = eap-mschapv2
      id = {USER}
      eap_id = {USER}
    }}
    remote {{""")
    swan = users.charon(users.net.gw_a, {
        "files": {"x509ca": {"ca.pem": users.authority.pem}, "x509": {"pc.pem": certificate},
                  "private": {"pc.pem": key}},
        "swanctl": text + f'secrets {{ eap {{ id = {USER}\n secret = "{PASSWORD}" }} }}\n'},
        EAP_PLUGINS)
    swan.initiate()
    wait_until(lambda: users.ours.status("users")["children"], 10, f"the tunnel\n{swan.log}")
    user = users.ours.status("users")["users"][0]
    check(user["user"] == USER and user["earlier_ids"] == [MACHINE], f"status: {user}", users.ours)
    check(ping(users.net.gw_a, "10.2.0.10")[0] == 3, f"no traffic\n{swan.log}", users.ours)


def strongswan_server_rounds(users, options):
    """strongSwan demands both of us."""
    certificate, key = users.authority.issue(SERVER, server=True)
    text = connection(
        f"auth = pubkey\n      certs = gw.pem\n      id = {SERVER}",
        "round = 1\n      auth = pubkey\n      id = *.pcs.example.org", "10.2.0.0/24", "dynamic",
        (users.net.OUTER_B, "%any"), "pools = users\n    send_cert = always")
    text = text.replace("    children {", """    remote-2 {
      round = 2
      auth = eap-mschapv2
      eap_id = %any
    }
    children {""", 1)
    swan = users.charon(users.net.gw_b, {
        "files": {"x509ca": {"ca.pem": users.authority.pem}, "x509": {"gw.pem": certificate},
                  "private": {"gw.pem": key}},
        "swanctl": text + "pools { users { addrs = 10.9.0.0/24\n dns = 10.2.0.10 } }\n" +
                   f'secrets {{ eap {{ id = {USER}\n secret = "{PASSWORD}" }} }}\n'},
        EAP_PLUGINS)
    users.user(users.CERTIFICATE + users.BY_PASSWORD + USER_ROUNDS,
               users.authority.issue(MACHINE))
    try:
        users.theirs.wait_up("work")
    except LabError as error:
        raise LabError(f"{error}\n{swan.log}\n{users.theirs.log}") from None
    check(ping(users.net.gw_a, "10.2.0.10")[0] == 3, f"no traffic\n{swan.log}", users.theirs)


CASES = [group_by_policy, rounds, rounds_missing, strongswan_rounds, strongswan_server_rounds, renewed_files, broken_files, appearing_crl, certificate, password, wrong_password, expired, revoked, wrong_server, raw_keys,
         strongswan_certificate, strongswan_mschapv2, strongswan_server_certificate,
         strongswan_server_mschapv2, radius, radius_accounting, radius_stop_at_shutdown,
         radius_dynamic, groups, lease_after_restart, eap_tls, eap_tls_expired, strongswan_eap_tls, strongswan_ttls, wrong_passwords,
         wpa_peap, wpa_peap_wrong_password, wpa_ttls, windows_dhcp]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[case.__name__ for case in CASES])
    parser.add_argument("kind", nargs="?", default="p256", choices=list(KINDS))
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capu") as lab:
        users = Users(lab, options, options.kind)
        try:
            next(case for case in CASES if case.__name__ == options.case)(users, options)
        finally:
            users.close()
    print(f"{options.case}: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
