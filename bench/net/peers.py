"""The tunnels that are measured: each makes its own four namespaces

    client-a --- gw-a --- gw-b --- client-b
    10.1.0.10    203.0.113.1  .2   10.2.0.10

and leaves a tunnel between the two gateways that carries 10.1.0.0/24 and 10.2.0.0/24."""
import shutil
import subprocess
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
    outer_queues = 1  # of the link between the gateways

    def __init__(self, lab, options):
        self.lab, self.options = lab, options
        hosts = [lab.host(f"{self.name}-{end}") for end in ("ca", "ga", "gb", "cb")]
        self.client_a, self.gw_a, self.gw_b, self.client_b = hosts
        lab.link(self.client_a, f"{CLIENT_A}/24", self.gw_a, "10.1.0.1/24")
        lab.link(self.gw_a, f"{OUTER_A}/24", self.gw_b, f"{OUTER_B}/24",
                 queues=self.outer_queues)
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
    daemon = ""  # of each gateway's configuration, with the names of its interfaces

    def start(self):
        self.daemons = [
            Caponier(self.lab, host, f"""
{self.daemon.format(lan=lan, wan=wan)}
[site.peer]
remote = "{there}"
psk = "@peer"
local_nets = ["{near}"]
remote_nets = ["{far}"]
esp = ["aes128gcm16-x25519"]
encap = "{self.encap}"
{self.extra()}""", {"peer": PSK}, self.options.bin).start()
            for host, there, near, far, lan, wan in (
                (self.gw_a, OUTER_B, NET_A, NET_B, "eth0", "eth1"),
                (self.gw_b, OUTER_A, NET_B, NET_A, "eth1", "eth0"))]
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


class OursXdp(Ours):
    """The outer side by XDP sockets, with a queue for each worker."""

    name, title = "cx", "Caponier, AES-128-GCM, AF_XDP"
    daemon = '[daemon]\nouter_side = "xdp"\nouter_interfaces = ["{wan}"]'
    outer_queues = 2


class OursXdpNative(OursXdp):
    name, title = "cy", "Caponier, AES-128-GCM, native ESP, AF_XDP"
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


def wireguard_keys(host):
    """(private, public)."""
    private = host.run("wg", "genkey").stdout.strip()
    return private, host.run("wg", "pubkey", text_input=private + "\n").stdout.strip()


def wireguard_conf(private, public, there, far):
    return (f"[Interface]\nPrivateKey = {private}\nListenPort = 51820\n"
            f"[Peer]\nPublicKey = {public}\n"
            f"Endpoint = {there}:51820\nAllowedIPs = {far}, 10.9.0.0/24\n")


class WireGuardGo(Peer):
    name, title, program = "wg", "wireguard-go, ChaCha20-Poly1305", "wireguard-go"

    def start(self):
        keys = [wireguard_keys(self.client_a) for _ in range(2)]
        for i, (host, address, there, far) in enumerate(
                ((self.gw_a, "10.9.0.1/24", OUTER_B, NET_B),
                 (self.gw_b, "10.9.0.2/24", OUTER_A, NET_A))):
            conf = self.lab.folder / f"{host.name}.conf"
            conf.write_text(wireguard_conf(keys[i][0], keys[1 - i][1], there, far))
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


def kernel_lacks(command):
    """What the kernel says against `command` in a namespace of its own, or None."""
    done = subprocess.run(["unshare", "-n", *command], capture_output=True, text=True)
    said = done.stderr.strip() or f"{' '.join(command)} ended with {done.returncode}"
    return said.splitlines()[0] if done.returncode else None


def esp_state(source, destination, spi, key):
    return ["ip", "xfrm", "state", "add", "src", source, "dst", destination, "proto", "esp",
            "spi", spi, "reqid", "1", "mode", "tunnel", "replay-window", "1024", "flag", "esn",
            "aead", "rfc4106(gcm(aes))", f"0x{key}", "128"]


class KernelEsp(Peer):
    """Native ESP by the kernel alone, with static keys. esp4_offload lets TCP's super-packets stay
    whole up to the outer link, also where no device helps."""

    name, title = "ke", "kernel ESP, AES-128-GCM"
    KEYS = ("5c1d0b8e3f7a4962d0e1b2c3a4f59687d4c3b2a1", "9a8b7c6d5e4f30211203f4e5d6c7b8a9a1b2c3d4")

    @classmethod
    def missing(cls):
        return kernel_lacks(esp_state(OUTER_A, OUTER_B, "0x100", cls.KEYS[0]))

    def start(self):
        subprocess.run(["modprobe", "-q", "esp4_offload"], capture_output=True)
        for host, near, far, here, there in ((self.gw_a, NET_A, NET_B, OUTER_A, OUTER_B),
                                             (self.gw_b, NET_B, NET_A, OUTER_B, OUTER_A)):
            host.run(*esp_state(OUTER_A, OUTER_B, "0x100", self.KEYS[0]))
            host.run(*esp_state(OUTER_B, OUTER_A, "0x200", self.KEYS[1]))
            for way, source, destination, ends in (("out", near, far, (here, there)),
                                                   ("in", far, near, (there, here)),
                                                   ("fwd", far, near, (there, here))):
                host.ip("xfrm", "policy", "add", "src", source, "dst", destination, "dir", way,
                        "tmpl", "src", ends[0], "dst", ends[1], "proto", "esp", "reqid", "1",
                        "mode", "tunnel")
            host.ip("route", "add", far, "via", there)


class KernelEspMerging(KernelEsp):
    """What arrives on the outer link is merged into super-packets before it is decrypted."""

    name, title = "kg", "kernel ESP, AES-128-GCM, GRO on its link"

    @classmethod
    def missing(cls):
        return super().missing() or (None if shutil.which("ethtool") else "no ethtool")

    def start(self):
        super().start()
        for host, device in ((self.gw_a, "eth1"), (self.gw_b, "eth0")):
            host.run("ethtool", "-K", device, "gro", "on")


class KernelWireGuard(Peer):
    name, title = "wk", "kernel WireGuard, ChaCha20-Poly1305"
    program = "wg"

    @classmethod
    def missing(cls):
        return super().missing() or kernel_lacks(["ip", "link", "add", "wg0", "type", "wireguard"])

    def start(self):
        keys = [wireguard_keys(self.client_a) for _ in range(2)]
        for i, (host, there, far) in enumerate(((self.gw_a, OUTER_B, NET_B),
                                                (self.gw_b, OUTER_A, NET_A))):
            conf = self.lab.folder / f"{host.name}.conf"
            conf.write_text(wireguard_conf(keys[i][0], keys[1 - i][1], there, far))
            host.ip("link", "add", "wg0", "type", "wireguard")
            host.run("wg", "setconf", "wg0", str(conf))
            host.ip("addr", "add", f"10.9.0.{i + 1}/24", "dev", "wg0")
            host.ip("link", "set", "wg0", "up")
            host.ip("route", "add", far, "dev", "wg0")


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


PEERS = [Routing, Ours, OursPacket, OursNative, OursXdp, OursXdpNative, KernelEsp, KernelEspMerging,
         KernelWireGuard, StrongSwan, WireGuardGo, OpenVpn]
