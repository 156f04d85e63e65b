#!/usr/bin/env python3
"""Where private keys are: tokens, and the process that has them; one case per call.

  test_keys.py CASE --bin DIR

gw-a is caponierd, gw-b strongSwan's charon, or another caponierd. Exit code 77 with "skipped: why".
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from authority import KINDS, Authority, pem_of_key, raw_key  # noqa: E402
from lab import Caponier, Lab, LabError, TwoGateways, ping, wait_until  # noqa: E402
from strongswan import InNamespace  # noqa: E402
from vici_pair import Ours  # noqa: E402

OURS, THEIRS = "gw-a.example.org", "gw-b.example.org"
PIN = "48151623"
TOOLS = ["softhsm2-util", "pkcs11-tool"]
MODULE = "/usr/lib/softhsm/libsofthsm2.so"


def put(path, text, private=False):
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600 if private else 0o644)


def check(condition, what, daemon=None):
    if not condition:
        raise LabError(what + (f"\n{daemon.log}" if daemon else ""))


class Token:
    """softhsm2 with a key and its certificate, in a folder of the lab."""

    def __init__(self, lab, certificate, key):
        self.folder = lab.folder / "token"
        (self.folder / "tokens").mkdir(mode=0o700, parents=True)
        self.conf = self.folder / "softhsm2.conf"
        self.conf.write_text(f"directories.tokendir = {self.folder}/tokens\n"
                             "objectstore.backend = file\nlog.level = ERROR\n")
        put(self.folder / "key.pem", key, private=True)
        put(self.folder / "leaf.pem", certificate)
        self.run("softhsm2-util", "--init-token", "--free", "--label", "lab", "--pin", PIN,
                 "--so-pin", "99999999")
        self.run("softhsm2-util", "--import", str(self.folder / "key.pem"), "--token", "lab",
                 "--label", "gw key", "--id", "01", "--pin", PIN)
        self.run("openssl", "x509", "-in", str(self.folder / "leaf.pem"), "-outform", "DER",
                 "-out", str(self.folder / "leaf.der"))
        self.run("pkcs11-tool", "--module", MODULE, "--token-label", "lab", "--login", "--pin", PIN,
                 "--write-object", str(self.folder / "leaf.der"), "--type", "cert", "--label",
                 "gw cert", "--id", "01")
        (self.folder / "key.pem").unlink()

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment,
                              check=False)
        if done.returncode != 0:
            raise LabError(f"{command[0]}: {done.stdout}{done.stderr}")

    @property
    def environment(self):
        return {**os.environ, "SOFTHSM2_CONF": str(self.conf)}


def swanctl(net, local, remote):
    return f"""
connections {{
  caponier {{
    version = 2
    local_addrs = {net.OUTER_B}
    remote_addrs = {net.OUTER_A}
    proposals = aes256gcm16-prfsha384-x25519
    local {{
      {local}
    }}
    remote {{
      {remote}
    }}
    children {{
      net {{
        local_ts = 10.2.0.0/24
        remote_ts = 10.1.0.0/24
        esp_proposals = aes256gcm16
      }}
    }}
  }}
}}
"""


def charon(lab, net, authority, kind):
    certificate, key = authority.issue(THEIRS, kind, server=True)
    swan = InNamespace(lab, net.gw_b, plugins="pkcs8 sha1 updown ")
    for folder, name, text in [("x509ca", "ca.pem", authority.pem), ("x509", "gw.pem", certificate),
                               ("private", "gw.key", key)]:
        put(swan.folder / folder / name, text, private=True)
    swan.load(swanctl(net, f"auth = pubkey\n certs = gw.pem\n id = {THEIRS}",
                      f"auth = pubkey\n id = {OURS}"))
    return swan


def site(net, keys):
    return (f'[site.peer]\nremote = "{net.OUTER_B}"\nlocal_id = "{OURS}"\n'
            f'remote_id = "{THEIRS}"\nlocal_nets = ["10.1.0.0/24"]\n'
            f'remote_nets = ["10.2.0.0/24"]\n{keys}')


def skip_without_token():
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing or not Path(MODULE).exists():
        print(f"skipped: {', '.join(missing) or MODULE} is not installed")
        sys.exit(77)


def pkcs11(lab, options):
    """Key and certificate from a token, against strongSwan."""
    skip_without_token()
    net, authority = TwoGateways(lab), Authority()
    token = Token(lab, *authority.issue(OURS, options.kind, server=True))
    charon(lab, net, authority, options.kind)
    pin = lab.folder / "pin"
    put(pin, PIN + "\n", private=True)
    text = site(net, f'key = "pkcs11:token=lab;object=gw%20key?module-path={MODULE}'
                     f'&pin-source=file:{pin}"\ncert = "pkcs11:token=lab;object=gw%20cert;type=cert'
                     f'?module-path={MODULE}"\nca = ["ca.pem"]\n')
    daemon = Caponier(lab, net.gw_a, text, {}, options.bin,
                      wrapper=["env", f"SOFTHSM2_CONF={token.conf}"])
    put(daemon.folder / "pki/ca.pem", authority.pem)
    daemon.start()
    daemon.wait_up("peer")
    check(ping(net.client_a, "10.2.0.10")[0] == 3, "ping", daemon)
    # A wrong PIN is told, what runs goes on, and the token is not locked by those who insist.
    put(pin, "00000000\n", private=True)
    text = daemon.config.read_text()
    for _ in range(5):
        said = daemon.cli("reload", check=False)
        check(said.returncode != 0, "a wrong PIN was taken", daemon)
    check("not tried again" in said.stdout + said.stderr, f"{said.stdout}{said.stderr}", daemon)
    check(PIN not in daemon.log and "00000000" not in daemon.log, "a PIN is in the log", daemon)
    check(ping(net.client_a, "10.2.0.10")[0] == 3, "ping after reload", daemon)
    put(pin, PIN + "\n", private=True)
    daemon.cli("reload")
    daemon.cli("down", "peer")
    daemon.cli("up", "peer")
    daemon.wait_up("peer")


# -- the process that has the keys

PSK = "q7Vb3nM9xK2pL5sR8tW1yZ4cF6hJ0dGe+AaBbCcDdEe="


def two_caponiers(lab, options, auth):
    """gw-a and gw-b by pre-shared key, or by raw public keys; gw-a's daemon and what it must hide."""
    net = TwoGateways(lab)
    keys = {side: KINDS[options.kind]() for side in "ab"}

    def daemon(host, own, peers, remote, local_net, remote_net):
        proof = 'psk = "@peer"\n'
        if auth == "key":
            proof = f'key = "own.key"\npeer_key = "{raw_key(keys[peers])}"\n'
        text = (f'[site.peer]\nremote = "{remote}"\n{proof}local_nets = ["{local_net}"]\n'
                f'remote_nets = ["{remote_net}"]\nstart = {"true" if own == "a" else "false"}\n')
        made = Caponier(lab, host, text, {"peer": PSK} if auth == "psk" else {}, options.bin)
        if auth == "key":
            put(made.folder / "pki/own.key", pem_of_key(keys[own]), private=True)
        return made.start()
    daemon(net.gw_b, "b", "a", net.OUTER_A, "10.2.0.0/24", "10.1.0.0/24")
    ours = daemon(net.gw_a, "a", "b", net.OUTER_B, "10.1.0.0/24", "10.2.0.0/24")
    ours.wait_up("peer")
    check(ping(net.client_a, "10.2.0.10")[0] == 3, "ping", ours)
    return net, ours, [PSK.encode()] if auth == "psk" else traces_of(keys["a"])


def traces_of(key):
    """A private key as it may lie in memory: as text, and its numbers from either end."""
    body = pem_of_key(key).splitlines()
    traces = ["".join(body[1:-1]).encode()[:60], body[2].encode()]
    try:
        numbers = key.private_numbers()
        secret = getattr(numbers, "private_value", None) or numbers.p
        octets = secret.to_bytes((secret.bit_length() + 7) // 8, "big")
    except AttributeError:
        octets = key.private_bytes_raw()
    return traces + [octets, octets[::-1]]


def memory_holds(pid, traces):
    """Those of the traces that are found in what the process can read."""
    found = set()
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights, *_ = line.split()
            if not rights.startswith("r") or "[vvar]" in line or "[vsyscall]" in line:
                continue
            first, last = (int(number, 16) for number in span.split("-"))
            tail = b""
            for at in range(first, last, 1 << 24):
                try:
                    memory.seek(at)
                    piece = tail + memory.read(min(1 << 24, last - at))
                except OSError:
                    break
                found |= {trace for trace in traces if trace in piece}
                tail = piece[-256:]
    return found


def key_process_of(daemon):
    pid = daemon.process.pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "caponier-keys":
                return int(child)
    return None


def stays_apart(lab, options, auth):
    _, daemon, traces = two_caponiers(lab, options, auth)
    keys = key_process_of(daemon)
    check(keys, "there is no process for the keys", daemon)
    # The canary: what is looked for can be found.
    check(memory_holds(keys, traces), "the process for the keys does not have them")
    check(not memory_holds(daemon.process.pid, traces), "the daemon has the key in its memory")
    daemon.cli("reload")
    daemon.cli("down", "peer")
    daemon.cli("up", "peer")
    daemon.wait_up("peer")
    check(not memory_holds(daemon.process.pid, traces), "the daemon has the key after a reload")
    status = dict(line.split(":\t") for line in
                  Path(f"/proc/{keys}/status").read_text().splitlines() if ":\t" in line)
    for name, wanted in [("Seccomp", "2"), ("NoNewPrivs", "1"), ("CapEff", "0" * 16),
                         ("CapPrm", "0" * 16), ("CapBnd", "0" * 16)]:
        check(status[name].strip() == wanted, f"{name} is {status[name]}, not {wanted}")


def psk_stays_apart(lab, options):
    """The daemon's memory does not hold the pre-shared key; that of its key process does."""
    stays_apart(lab, options, "psk")


def private_key_stays_apart(lab, options):
    stays_apart(lab, options, "key")


def server_and_user(lab, options, key, wrapper=()):
    """A user of gw-a comes to gw-b's server by EAP-TLS; the user's daemon is not yet started."""
    net, authority = TwoGateways(lab), Authority()
    server = Caponier(lab, net.gw_b, f'[server]\nname = "{THEIRS}"\npool = ["10.9.0.0/24"]\n'
                      'local_nets = ["10.2.0.0/24"]\neap = ["tls"]\n', {}, options.bin)
    certificate, their_key = authority.issue(THEIRS, options.kind, server=True)
    put(server.folder / f"pki/certs/{THEIRS}.pem", certificate)
    put(server.folder / f"pki/certs/{THEIRS}.key", their_key, private=True)
    put(server.folder / "pki/ca/ca.pem", authority.pem)
    server.start()
    user = Caponier(lab, net.gw_a, f'[client.work]\nremote = "{net.OUTER_B}"\n'
                    f'remote_id = "{THEIRS}"\nremote_nets = ["10.2.0.0/24"]\nca = ["ca.pem"]\n'
                    f'auth = "eap"\nuser = "alice@example.org"\n{key}', {}, options.bin,
                    wrapper=list(wrapper))
    put(user.folder / "pki/ca.pem", authority.pem)
    return authority, server, their_key, user


def come_in(server, user):
    user.start()
    user.wait_up("work")
    check(server.status("users")["users"][0]["user"] == "alice@example.org", "the user", server)


def eap_tls_key_stays_apart(lab, options):
    """TLS inside of EAP is spoken by the daemon, and its key is not there: neither end's."""
    authority, server, their_key, user = server_and_user(
        lab, options, 'cert = "alice.pem"\nkey = "alice.key"\n')
    certificate, own_key = authority.issue("alice@example.org", options.kind)
    put(user.folder / "pki/alice.pem", certificate)
    put(user.folder / "pki/alice.key", own_key, private=True)
    come_in(server, user)
    for daemon, key in [(server, their_key), (user, own_key)]:
        traces = traces_of(serialization.load_pem_private_key(key.encode(), None))
        check(memory_holds(key_process_of(daemon), traces), "the key is nowhere")
        check(not memory_holds(daemon.process.pid, traces), "the daemon has the key", daemon)


def eap_tls_token(lab, options):
    """The user's key never leaves its token, for TLS either."""
    skip_without_token()
    pin = lab.folder / "pin"
    put(pin, PIN + "\n", private=True)
    conf = lab.folder / "token/softhsm2.conf"
    authority, server, _, user = server_and_user(
        lab, options, 'cert = "alice.pem"\nkey = "pkcs11:token=lab;object=gw%20key'
        f'?module-path={MODULE}&pin-source=file:{pin}"\n', ["env", f"SOFTHSM2_CONF={conf}"])
    certificate, key = authority.issue("alice@example.org", options.kind)
    Token(lab, certificate, key)
    put(user.folder / "pki/alice.pem", certificate)
    come_in(server, user)


def swanctl_key_stays_apart(lab, options):
    """The same of a daemon that runs on a swanctl folder, once it has read it."""
    net, authority = TwoGateways(lab), Authority()
    charon(lab, net, authority, options.kind)
    ours = Caponier(lab, net.gw_a, "", {}, options.bin)
    certificate, key = authority.issue(OURS, options.kind, server=True)
    folder = ours.folder / "swanctl"
    put(folder / "x509/gw.pem", certificate)
    put(folder / "x509ca/ca.pem", authority.pem)
    put(folder / "private/gw.key", key, private=True)
    put(folder / "swanctl.conf",
        f"connections {{\n peer {{\n  local_addrs = {net.OUTER_A}\n  remote_addrs = {net.OUTER_B}\n"
        f"  local {{\n   auth = pubkey\n   certs = gw.pem\n   id = {OURS}\n  }}\n"
        f"  remote {{\n   auth = pubkey\n   id = {THEIRS}\n  }}\n  children {{\n   net {{\n"
        "    local_ts = 10.1.0.0/24\n    remote_ts = 10.2.0.0/24\n    start_action = start\n"
        "   }\n  }\n }\n}\n", private=True)
    ours.start(["--swanctl", str(folder)])
    ours.wait_up("peer")
    traces = traces_of(serialization.load_pem_private_key(key.encode(), None))
    check(memory_holds(key_process_of(ours), traces), "the key is nowhere")
    check(not memory_holds(ours.process.pid, traces), "the daemon has the key", ours)


def vici_side(lab, net, options):
    """gw-a, which is given all it has by swanctl: a certificate's key, and a pre-shared key."""
    authority = Authority()
    charon(lab, net, authority, options.kind)
    ours = Ours(lab, net.gw_a, options.bin)
    certificate, key = authority.issue(OURS, options.kind, server=True)
    put(ours.etc / "x509/gw.pem", certificate)
    put(ours.etc / "x509ca/lab.pem", authority.pem)
    put(ours.etc / "private/gw.key", key, private=True)
    start = "start_action = start"
    conf = (
        f"connections {{\n peer {{\n  version = 2\n  local_addrs = {net.OUTER_A}\n"
        f"  remote_addrs = {net.OUTER_B}\n  local {{\n   auth = pubkey\n   certs = gw.pem\n"
        f"   id = {OURS}\n  }}\n  remote {{\n   auth = pubkey\n   id = {THEIRS}\n  }}\n"
        f"  children {{\n   net {{\n    local_ts = 10.1.0.0/24\n    remote_ts = 10.2.0.0/24\n"
        f"    {start}\n   }}\n  }}\n }}\n other {{\n  version = 2\n  local_addrs = {net.OUTER_A}\n"
        "  remote_addrs = 198.51.100.77\n  local {\n   auth = psk\n  }\n  remote {\n   auth = psk\n"
        "  }\n  children {\n   other {\n    remote_ts = 10.7.0.0/24\n   }\n  }\n }\n}\n"
        f'secrets {{\n ike-other {{\n  id = 198.51.100.77\n  secret = "{PSK}"\n }}\n}}\n')
    said = ours.load(conf)
    check("successfully loaded 2 connections" in said, said, ours)
    wait_until(lambda: [sa for sa in ours.sas() if sa["peer"]["child-sas"]], 15,
               f"the tunnel\n{ours.log}")
    traces = traces_of(serialization.load_pem_private_key(key.encode(), None))
    return ours, traces + [PSK.encode()]


def vici_keys_stay_apart(lab, options):
    """What clients load comes in through the daemon, and is not in its memory afterwards."""
    net = TwoGateways(lab)
    ours, traces = vici_side(lab, net, options)
    check(ping(net.client_a, "10.2.0.10")[0] == 3, "ping", ours)
    found = memory_holds(key_process_of(ours), traces)
    check(PSK.encode() in found and len(found) > 1, f"{len(found)} of the keys are anywhere", ours)
    check(not memory_holds(ours.process.pid, traces), "the daemon has a key", ours)
    session = ours.session()
    ids = session.request("get-keys")["keys"]
    check(len(ids) == 1 and len(ids[0]) == 40, f"the key is called {ids}", ours)
    check(session.request("get-shared")["keys"] == ["ike-other"], "the shared key's name", ours)
    certs = session.stream("list-certs", "list-cert")
    check([cert for cert in certs if cert.get("has_privkey") == "yes"], "list-certs", ours)
    # Loaded again, nothing changes; unloaded, nobody is authenticated with it.
    before = ours.sas()[0]["peer"]["uniqueid"]
    check("loading" not in ours.swanctl("--load-creds", "--noprompt"), "load-creds", ours)
    check(session.request("get-keys")["keys"] == ids, "another name", ours)
    check(ours.sas()[0]["peer"]["uniqueid"] == before, "the tunnel has been renewed", ours)
    check(not memory_holds(ours.process.pid, traces), "the daemon has a key, loaded again", ours)


def vici_key_process_killed(lab, options):
    """What was loaded is lost with the process that had it; the tunnel is not, and swanctl helps."""
    net = TwoGateways(lab)
    ours, traces = vici_side(lab, net, options)
    before = key_process_of(ours)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: key_process_of(ours) not in (None, before), 20, "another process")
    wait_until(lambda: "load them again" in ours.log, 15, f"a word\n{ours.log}")
    check(ping(net.client_a, "10.2.0.10")[0] == 3, "ping", ours)
    check(ours.session().request("get-keys")["keys"] == [], "the key is still said to be there")
    check("loading" not in ours.swanctl("--load-creds", "--noprompt"), "load-creds", ours)
    ours.terminate("peer")
    said = ours.initiate("net")
    check("initiate completed successfully" in said, said, ours)
    check(not memory_holds(ours.process.pid, traces), "the daemon has a key", ours)


def key_process_killed(lab, options):
    """Tunnels go on; who wants to authenticate is told why not; it is there again by itself."""
    net, daemon, _ = two_caponiers(lab, options, "psk")
    for _ in range(2):
        before = key_process_of(daemon)
        os.kill(before, 9)
        check(ping(net.client_a, "10.2.0.10")[0] == 3, "the tunnel did not go on", daemon)
        wait_until(lambda: key_process_of(daemon) not in (None, before), 10, "the key process")
    check("the process that has our keys has ended" in daemon.log, "nobody was told", daemon)
    daemon.cli("down", "peer")
    daemon.cli("up", "peer", check=False)
    daemon.wait_up("peer")
    # A reload while it is gone starts it at once; nothing counts as changed.
    os.kill(key_process_of(daemon), 9)
    daemon.cli("reload")
    check(daemon.status("peer")["children"], "the reload has ended the tunnel", daemon)
    # With the daemon goes its key process.
    last = key_process_of(daemon)
    daemon.process.terminate()
    daemon.process.wait(20)
    wait_until(lambda: not Path(f"/proc/{last}").exists(), 5, "the key process to end")


# -- a TPM 2

TPM_TOOLS = ["swtpm", "tpm2_createprimary", "openssl"]
TPM_MODULE = "ossl-modules/tpm2.so"


class Tpm:
    """swtpm, an emulated TPM, in a namespace; its commands one after the other, for it has little room."""

    HANDLE = "0x81000001"

    def __init__(self, lab, host):
        self.host, self.folder = host, lab.folder / "tpm"
        (self.folder / "state").mkdir(parents=True)
        where = "swtpm:host=127.0.0.1,port=2321"
        self.environment = ["env", f"TPM2TOOLS_TCTI={where}", f"TPM2OPENSSL_TCTI={where}",
                            "TSS2_LOG=all+NONE"]
        host.start("swtpm", ["swtpm", "socket", "--tpm2", "--tpmstate",
                             f"dir={self.folder}/state", "--flags", "startup-clear", "--server",
                             "type=tcp,port=2321,bindaddr=127.0.0.1", "--ctrl",
                             "type=tcp,port=2322,bindaddr=127.0.0.1"], log=self.folder / "log")
        wait_until(lambda: self.run("tpm2_getcap", "handles-persistent", check=False).returncode == 0,
                   10, "the TPM")

    def run(self, *command, check=True):
        return self.host.run(*self.environment, *command, check=check)

    def tool(self, name, *arguments):
        self.run(name, "-Q", *(str(argument) for argument in arguments))
        self.run("tpm2_flushcontext", "-t")

    def keep_key(self, algorithm):
        """A new key for signatures, at HANDLE."""
        part = {name: self.folder / name for name in ("above", "public", "private", "key")}
        self.run("tpm2_evictcontrol", "-Q", "-C", "o", "-c", self.HANDLE, check=False)
        self.tool("tpm2_createprimary", "-C", "o", "-G", "ecc", "-c", part["above"])
        self.tool("tpm2_create", "-C", part["above"], "-G", algorithm, "-u", part["public"], "-r",
                  part["private"], "-a",
                  "sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth")
        self.tool("tpm2_load", "-C", part["above"], "-u", part["public"], "-r", part["private"],
                  "-c", part["key"])
        self.tool("tpm2_evictcontrol", "-C", "o", "-c", part["key"], self.HANDLE)


def tpm(lab, options):
    """Keys that a TPM keeps, and keys in files that only a TPM can use."""
    missing = [tool for tool in TPM_TOOLS if not shutil.which(tool)]
    if missing or not list(Path("/usr/lib").glob(f"*/{TPM_MODULE}")):
        print(f"skipped: {', '.join(missing) or 'tpm2-openssl'} is not installed")
        sys.exit(77)
    chip = Tpm(lab, TwoGateways(lab).gw_a)

    def expect(words, *arguments, code=0):
        done = chip.run(options.driver, *arguments, check=False)
        check(done.returncode == code and all(word in done.stdout for word in words),
              f"{arguments}: {done.stdout}{done.stderr}")
    for algorithm, words in [
            ("ecc256", ["key ECDSA P-256", "signed ECDSA with SHA2-256"]),
            ("rsa2048", ["key RSA", "signed RSA with SHA2-256"])]:
        chip.keep_key(algorithm)
        expect(words, f"handle:{chip.HANDLE}")
    file = chip.folder / "key.pem"
    chip.run("openssl", "genpkey", "-provider", "tpm2", "-provider", "default", "-propquery",
             "?provider=tpm2", "-algorithm", "EC", "-pkeyopt", "group:P-256", "-out", str(file))
    expect(["signed ECDSA as in RFC 4754"], "gw.key", str(file))
    expect(["the TPM does not have this key, or cannot be reached"], "handle:0x81000077", code=1)
    away = chip.host.run("env", "TPM2OPENSSL_TCTI=device:/dev/null/none", options.driver,
                         f"handle:{chip.HANDLE}", check=False)
    check(away.returncode == 1 and "none can be reached" in away.stdout, f"no TPM: {away.stdout}")
    without = chip.host.run("env", f"OPENSSL_MODULES={chip.folder}", options.driver,
                            f"handle:{chip.HANDLE}", check=False)
    check(without.returncode == 1 and "install the package tpm2-openssl" in without.stdout,
          f"without the provider: {without.stdout}{without.stderr}")


def in_background(lab, options):
    """Whoever has started the daemon gets its end of file; the key process lives with the daemon."""
    net = TwoGateways(lab)
    daemon = Caponier(lab, net.gw_a,
                      f'[site.peer]\nremote = "{net.OUTER_B}"\npsk = "@peer"\nstart = false\n'
                      'local_nets = ["10.1.0.0/24"]\nremote_nets = ["10.2.0.0/24"]\n',
                      {"peer": PSK}, options.bin)
    run = daemon.folder / "run"
    net.gw_a.run(str(daemon.bin / "caponierd"), "--config", str(daemon.config), "--run-dir",
                 str(run), "--state-dir", str(daemon.folder / "state"), timeout=20)
    pid = int((run / "caponierd.pid").read_text())
    try:
        daemon.cli("reload")
        before = key_processes_of(daemon.config)
        check(len(before) == 1, f"{len(before)} key processes")
        os.kill(before[0], 9)
        wait_until(lambda: key_processes_of(daemon.config) not in ([], before), 10,
                   "the key process")
        daemon.cli("reload")
    finally:
        os.kill(pid, 15)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 20, "the daemon to end")
    wait_until(lambda: not key_processes_of(daemon.config), 5, "the key process to end")


def key_processes_of(config):
    """The key processes of this configuration, whoever their parent is."""
    found = []
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = words.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--hold-keys" in command and str(config).encode() in command:
            found.append(int(words.parent.name))
    return found


CASES = [pkcs11, tpm, in_background, psk_stays_apart, private_key_stays_apart,
         eap_tls_key_stays_apart, eap_tls_token, swanctl_key_stays_apart, vici_keys_stay_apart,
         vici_key_process_killed, key_process_killed]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[case.__name__ for case in CASES])
    parser.add_argument("kind", nargs="?", default="p256")
    parser.add_argument("--bin", required=True)
    parser.add_argument("--driver", default="")
    options = parser.parse_args()
    with Lab("capk") as lab:
        next(case for case in CASES if case.__name__ == options.case)(lab, options)
    print(f"{options.case}: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
