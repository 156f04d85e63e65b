"""strongSwan as the other side: 5.9.8 in a namespace with its userspace ESP (kernel-libipsec, which
does tunnel mode in UDP only), or in a guest with a real kernel's ESP (everything)."""
import re
from pathlib import Path

from guest import Guest, Image
from lab import LabError, wait_until

CHARON = "/usr/lib/ipsec/charon"
PSK = "u3kFq0dYc8mZr5tWx1vBn7hGj2sLp9aE"

CONF = """
charon {{
  load_modular = no
  load = {plugins}
  install_routes = {routes}
  retransmit_timeout = 1.0
  retransmit_tries = 4
  {more}
  filelog {{ stderr {{ default = 1
    ike = 2
    cfg = 2 }} }}
  plugins {{ vici {{ socket = unix://{socket} }} }}
}}
libipsec {{ }}
swanctl {{ load = pem pkcs1 x509 revocation constraints pubkey openssl random }}
"""
COMMON_PLUGINS = ("random nonce openssl kdf hmac curve25519 pem pkcs1 x509 revocation constraints "
                  "pubkey gcm aes sha2 sha1 chapoly ccm ctr xcbc cmac ")

GUEST_PLUGINS = ["random", "nonce", "openssl", "kdf", "hmac", "curve25519", "kernel-netlink",
                 "socket-default", "vici", "pem", "pkcs1", "x509", "revocation", "pubkey", "gcm",
                 "aes", "sha2", "sha1", "constraints", "chapoly"]
PLUGIN_FILES = [f"/usr/lib/ipsec/plugins/libstrongswan-{name}.so" for name in GUEST_PLUGINS]
IMAGE = Image("strongswan", [CHARON, "/usr/sbin/swanctl",
                             *[path for path in PLUGIN_FILES if Path(path).exists()]],
              f"{CHARON} >/tmp/charon.log 2>&1 &\n")

SWANCTL = """
connections {{
  caponier {{
    version = 2
    local_addrs = {local}
    remote_addrs = {remote}
    proposals = {ike}
    mobike = {mobike}
    encap = {encap}
    dpd_delay = 0
    {more}
    local {{
      auth = psk
      id = {local_id}
    }}
    remote {{
      auth = psk
      id = {remote_id}
    }}
    children {{
      net {{
        mode = {mode}
        local_ts = {local_ts}
        remote_ts = {remote_ts}
        {protocol}_proposals = {suite}
        {child_more}
      }}
    }}
  }}
}}
secrets {{
  ike-caponier {{
    secret = "{psk}"
  }}
}}
"""

IKE = {"gcm": "aes256gcm16-prfsha384-x25519", "cbc": "aes256-sha256-modp2048",
       "ccm": "aes128ccm16-prfaesxcbc-ecp256bp", "xcbc": "aes128-aesxcbc-x448",
       "cmac": "aes256ctr-aescmac-prfaescmac-modp6144", "short": "aes256gcm8-prfsha512-ecp512bp",
       "legacy": "3des-sha1-modp1024", "ah": "aes128-sha256-x25519"}
ESP = {"gcm": "aes256gcm16", "cbc": "aes256-sha256", "ccm": "aes256ccm12",
       "xcbc": "aes192-aesxcbc", "cmac": "aes256ctr-aescmac", "short": "aes128gcm12",
       "legacy": "3des-sha1"}
AH = {"ah": "sha256"}


def swanctl_conf(**values):
    values["protocol"] = "ah" if "ah" in values else "esp"
    values["suite"] = values[values["protocol"]]
    for name, value in (("encap", "no"), ("mobike", "no"), ("more", ""), ("child_more", "")):
        values.setdefault(name, value)
    values.setdefault("psk", PSK)
    return SWANCTL.format(**values)


class InNamespace:
    """charon on a Lab host, tunnel mode in UDP through its own TUN device ipsec0."""

    def __init__(self, lab, host, more="", plugins=""):
        self.lab, self.host = lab, host
        self.folder = lab.folder / f"strongswan-{host.name}"
        self.folder.mkdir()
        self.socket = self.folder / "vici"
        conf = self.folder / "strongswan.conf"
        conf.write_text(CONF.format(
            plugins=COMMON_PLUGINS + plugins + "kernel-libipsec kernel-netlink socket-default vici",
            routes="yes", socket=self.socket, more=more))
        self.env = {"STRONGSWAN_CONF": str(conf)}
        # charon keeps its pid file in /run: each instance gets a /run of its own.
        self.process = host.start(
            f"charon-{host.name}",
            ["unshare", "-m", "sh", "-c", f"mount -t tmpfs tmpfs /run && exec {CHARON}"],
            env=self.env)
        wait_until(self.socket.exists, 10, f"charon on {host.name}")

    def swanctl(self, *arguments, check=True):
        done = self.host.run("env", f"STRONGSWAN_CONF={self.env['STRONGSWAN_CONF']}", "swanctl",
                             *arguments, "--uri", f"unix://{self.socket}", check=False)
        if check and done.returncode != 0:
            raise LabError(f"swanctl {' '.join(arguments)}:\n{done.stdout}{done.stderr}\n{self.log}")
        return done.stdout + done.stderr

    def load(self, conf):
        path = self.folder / "swanctl.conf"
        path.write_text(conf)
        self.swanctl("--load-all", "--clear", "--noprompt", "--file", str(path))

    @property
    def log(self):
        return (self.lab.folder / f"charon-{self.host.name}.log").read_text(errors="replace")

    def initiate(self):
        self.swanctl("--initiate", "--child", "net", "--timeout", "15")

    def terminate_child(self):
        self.swanctl("--terminate", "--child", "net", "--timeout", "10")

    def terminate(self):
        self.swanctl("--terminate", "--ike", "caponier", "--timeout", "10")

    def sas(self):
        return self.swanctl("--list-sas")


class InGuest:
    """charon in an emulated machine with the kernel's own ESP."""

    def __init__(self, lab, host, address, gateway, inner=""):
        conf = CONF.format(plugins=COMMON_PLUGINS + "kernel-netlink socket-default vici",
                           routes="yes", socket="/run/charon.vici", more="")
        self.guest = Guest(lab, host, "sun", IMAGE, address, gateway,
                           {"/etc/strongswan.conf": conf}, inner)
        wait_until(lambda: "vici" in self.guest.sh("ls /run"), 20, "charon in the guest")

    def swanctl(self, *arguments):
        return self.guest.sh("swanctl " + " ".join(arguments), timeout=40)

    def load(self, conf):
        said = self.guest.sh("cp /tmp/input /tmp/swanctl.conf; swanctl --load-all --clear "
                             "--noprompt --file /tmp/swanctl.conf", text_input=conf)
        if "successfully loaded 1 connections" not in said:
            raise LabError(f"swanctl --load-all in the guest:\n{said}")

    @property
    def log(self):
        return self.guest.sh("cat /tmp/charon.log")

    def initiate(self):
        said = self.swanctl("--initiate", "--child", "net", "--timeout", "15")
        if "initiate completed successfully" not in said:
            raise LabError(f"swanctl --initiate in the guest:\n{said}\n{self.log}")

    def terminate_child(self):
        self.swanctl("--terminate", "--child", "net", "--timeout", "10")

    def terminate(self):
        self.swanctl("--terminate", "--ike", "caponier", "--timeout", "10")

    def sas(self):
        return self.swanctl("--list-sas")

    def ping(self, address, count=3):
        text = self.guest.sh(f"ping -c {count} -W 2 {address}", timeout=20)
        found = re.search(r"(\d+) packets received", text)
        return int(found[1]) if found else 0


def has_child(said):
    return "INSTALLED" in said


def gone(peer):
    return wait_until(lambda: not has_child(peer.sas()), 10, "strongSwan to see the delete")


__all__ = ["ESP", "IKE", "IMAGE", "InGuest", "InNamespace", "PSK", "gone", "has_child",
           "swanctl_conf"]
