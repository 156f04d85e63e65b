"""The tunnels that are measured: each makes its own four namespaces

    client-a --- gw-a --- gw-b --- client-b
    10.1.0.10    203.0.113.1  .2   10.2.0.10

and leaves a tunnel between the two gateways that carries 10.1.0.0/24 and 10.2.0.0/24."""
import shutil
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path += [str(TOP / "tools"), str(TOP / "tests" / "interop")]

from lab import Caponier, ping, wait_until  # noqa: E402
from strongswan import CHARON, InNamespace, swanctl_conf  # noqa: E402

OUTER_A, OUTER_B = "203.0.113.1", "203.0.113.2"
CLIENT_A, CLIENT_B = "10.1.0.10", "10.2.0.10"
NET_A, NET_B = "10.1.0.0/24", "10.2.0.0/24"
PSK = "u3kFq0dYc8mZr5tWx1vBn7hGj2sLp9aE"


class Peer:
    """One way from client A to client B."""

    name = ""
    title = ""
    program = None  # what must be there

    def __init__(self, lab, options):
        self.lab, self.options = lab, options
        hosts = [lab.host(f"{self.name}-{end}") for end in ("ca", "ga", "gb", "cb")]
        self.client_a, self.gw_a, self.gw_b, self.client_b = hosts
        lab.link(self.client_a, f"{CLIENT_A}/24", self.gw_a, "10.1.0.1/24")
        lab.link(self.gw_a, f"{OUTER_A}/24", self.gw_b, f"{OUTER_B}/24")
        lab.link(self.gw_b, "10.2.0.1/24", self.client_b, f"{CLIENT_B}/24")
        self.client_a.ip("route", "add", "default", "via", "10.1.0.1")
        self.client_b.ip("route", "add", "default", "via", "10.2.0.1")
        for gateway in (self.gw_a, self.gw_b):
            gateway.forward()
        self.start()
        wait_until(lambda: ping(self.client_a, CLIENT_B, count=1)[0], 20,
                   f"{self.title} to carry a ping")

    @classmethod
    def missing(cls):
        """Why it cannot be measured here, or None."""
        if cls.program and not shutil.which(cls.program):
            return f"{cls.program} is not installed"
        return None

    def start(self):
        raise NotImplementedError

    def gateway_pids(self):
        text = "".join(self.client_a.lab.run_quiet(["ip", "netns", "pids", gateway.netns])
                       for gateway in (self.gw_a, self.gw_b))
        return [int(pid) for pid in text.split()]


class Routing(Peer):
    """The ceiling: the same path without any tunnel."""

    name, title = "rt", "plain routing"

    def start(self):
        self.gw_a.ip("route", "add", NET_B, "via", OUTER_B)
        self.gw_b.ip("route", "add", NET_A, "via", OUTER_A)


class Ours(Peer):
    name, title = "cp", "Caponier, AES-128-GCM"
    encap = "always"
    daemon = ""  # of each gateway's configuration, with the name of its clear interface

    def start(self):
        self.daemons = [
            Caponier(self.lab, host, f"""
{self.daemon.format(lan=lan)}
[site.peer]
remote = "{there}"
psk = "@peer"
local_nets = ["{near}"]
remote_nets = ["{far}"]
esp = ["aes128gcm16-x25519"]
encap = "{self.encap}"
{self.extra()}""", {"peer": PSK}, self.options.bin).start()
            for host, there, near, far, lan in (
                (self.gw_a, OUTER_B, NET_A, NET_B, "eth0"),
                (self.gw_b, OUTER_A, NET_B, NET_A, "eth1"))]
        for daemon in self.daemons:
            daemon.wait_up("peer")

    def extra(self):
        """Further keys of the tunnel."""
        return ""


class OursPacket(Ours):
    """The clear side by packet sockets."""

    name, title = "ca", "Caponier, AES-128-GCM, AF_PACKET"
    daemon = '[daemon]\nclear_side = "packet"\nclear_interfaces = ["{lan}"]'


class OursNative(Ours):
    """Native ESP: no kernel merges that for us."""

    name, title = "cn", "Caponier, AES-128-GCM, native ESP"
    encap = "native"


class StrongSwan(Peer):
    name, title, program = "ss", "strongSwan 5.9.8 kernel-libipsec, AES-128-GCM", CHARON

    def start(self):
        ends = []
        for host, here, there, near, far in ((self.gw_a, OUTER_A, OUTER_B, NET_A, NET_B),
                                             (self.gw_b, OUTER_B, OUTER_A, NET_B, NET_A)):
            end = InNamespace(self.lab, host)
            end.load(swanctl_conf(local=here, remote=there, local_id=here, remote_id=there,
                                  local_ts=near, remote_ts=far, mode="tunnel", encap="yes",
                                  ike="aes128gcm16-prfsha256-x25519", esp="aes128gcm16", psk=PSK))
            ends.append(end)
        ends[0].initiate()


class WireGuardGo(Peer):
    name, title, program = "wg", "wireguard-go, ChaCha20-Poly1305", "wireguard-go"

    def start(self):
        keys = [self.key() for _ in range(2)]
        for i, (host, address, there, far) in enumerate(
                ((self.gw_a, "10.9.0.1/24", OUTER_B, NET_B),
                 (self.gw_b, "10.9.0.2/24", OUTER_A, NET_A))):
            conf = self.lab.folder / f"{host.name}.conf"
            conf.write_text(f"[Interface]\nPrivateKey = {keys[i][0]}\nListenPort = 51820\n"
                            f"[Peer]\nPublicKey = {keys[1 - i][1]}\n"
                            f"Endpoint = {there}:51820\nAllowedIPs = {far}, 10.9.0.0/24\n")
            ready = self.lab.folder / f"{host.name}.ready"
            # The program's socket is in /run: each gets its own.
            host.start(f"wg-{host.name}", ["unshare", "-m", "sh", "-c", f"""
                mount -t tmpfs tmpfs /run && mkdir -p /run/wireguard
                (until wg setconf wg0 {conf} 2>/dev/null; do sleep 0.1; done; touch {ready}) &
                exec wireguard-go -f wg0"""], env={"WG_PROCESS_FOREGROUND": "1"})
            wait_until(ready.exists, 20, "wireguard-go")
            host.ip("addr", "add", address, "dev", "wg0")
            host.ip("link", "set", "wg0", "up")
            host.ip("route", "add", far, "dev", "wg0")

    def key(self):
        private = self.client_a.run("wg", "genkey").stdout.strip()
        public = self.client_a.run("wg", "pubkey", text_input=private + "\n").stdout.strip()
        return private, public


class OpenVpn(Peer):
    name, title, program = "ov", "OpenVPN 2.6, AES-128-GCM", "openvpn"

    def start(self):
        certificates = []
        for end in "ab":
            key, certificate = (self.lab.folder / f"ovpn-{end}.{kind}" for kind in ("key", "crt"))
            self.client_a.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                              "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                              f"/CN=gateway-{end}", "-keyout", str(key), "-out", str(certificate))
            certificates.append((key, certificate))
        prints = [self.client_a.run("openssl", "x509", "-in", str(certificate), "-noout",
                                    "-fingerprint", "-sha256").stdout.strip().split("=")[1]
                  for _, certificate in certificates]
        for i, (host, here, there, far, role) in enumerate(
                ((self.gw_a, "10.9.0.1", "10.9.0.2", "10.2.0.0 255.255.255.0",
                  ["--tls-client", "--remote", OUTER_B]),
                 (self.gw_b, "10.9.0.2", "10.9.0.1", "10.1.0.0 255.255.255.0",
                  ["--tls-server", "--dh", "none"]))):
            key, certificate = certificates[i]
            host.start(f"openvpn-{host.name}", [
                "openvpn", "--dev", "tun", "--proto", "udp", *role, "--ifconfig", here, there,
                "--route", *far.split(), "--key", str(key), "--cert", str(certificate),
                "--peer-fingerprint", prints[1 - i], "--data-ciphers", "AES-128-GCM",
                "--disable-dco", "--verb", "3"])


PEERS = [Routing, Ours, OursPacket, OursNative, StrongSwan, WireGuardGo, OpenVpn]
