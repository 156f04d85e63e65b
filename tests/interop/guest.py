"""A small virtual machine with Debian's kernel and strongSwan, for what the host's kernel lacks.

The guest's only disk is an initramfs made of files of this host: busybox, strongSwan with the
libraries it needs, and the modules of a Debian cloud kernel that `./dev` has downloaded to
build/guest. It is one more host of a Lab, connected through a tap device, and takes commands on a
TCP port of its own network. The processor is emulated: it boots in a few seconds, and nested
virtualisation, which many machines lack or have broken, is not needed.
"""
import gzip
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from lab import LabError, run, wait_until  # noqa: E402

CACHE = ROOT / "build" / "guest"
COMMAND_PORT = 2323
PROGRAMS = ["/usr/lib/ipsec/charon", "/usr/sbin/swanctl", "/bin/ip"]
MODULES = ["virtio_net", "virtio_pci", "af_packet", "dummy", "esp4", "esp6", "xfrm_user", "gcm",
           "ghash_generic", "ctr", "cbc", "authenc", "authencesn", "echainiv", "seqiv",
           "sha256_generic", "sha512_generic", "hmac", "jitterentropy_rng", "drbg"]
PLUGINS = ["random", "nonce", "openssl", "kdf", "hmac", "curve25519", "kernel-netlink",
           "socket-default", "vici", "pem", "pkcs1", "x509", "revocation", "pubkey", "gcm", "aes",
           "sha2", "sha1", "constraints", "chapoly"]

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /var
/bin/busybox ln -s /run /var/run
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin:/usr/sbin:/usr/lib/ipsec
while read module; do insmod /modules/$module; done </modules/order
. /boot.conf
ip link set lo up 2>/dev/null
ip addr add $ADDRESS dev eth0
ip link set eth0 up
ip route add default via $GATEWAY
[ -n "$INNER" ] && ip link set dummy0 up && ip addr add $INNER dev dummy0
echo 1 >/proc/sys/net/ipv4/ip_forward
/usr/lib/ipsec/charon >/tmp/charon.log 2>&1 &
nc -ll -p PORT -e /bin/sh
""".replace("PORT", str(COMMAND_PORT))


def missing():
    """Why the guest cannot be used here, or None."""
    if not shutil.which("qemu-system-x86_64"):
        return "no qemu-system-x86_64"
    if not list(CACHE.glob("root/boot/vmlinuz-*")):
        return "no guest kernel in build/guest (./dev fetches it)"
    return None


def libraries(program):
    text = run(["ldd", program], check=False).stdout
    return {match for match in re.findall(r"(/\S+\.so[.\d]*)", text)}


def module_order(modules):
    """The named modules and what they depend on, dependencies first; built-in ones left out."""
    depends = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, needs = line.partition(":")
        depends[path] = needs.split()
    by_name = {Path(path).name.split(".")[0].replace("-", "_"): path for path in depends}
    order = []

    def visit(path):
        for need in reversed(depends[path]):
            visit(need)
        if path not in order:
            order.append(path)

    for name in MODULES:
        if name in by_name:
            visit(by_name[name])
    return order


def build_base():
    """The part of the initramfs that is the same for every guest; cached."""
    kernel = next(CACHE.glob("root/boot/vmlinuz-*"))
    image = CACHE / "base.cpio.gz"
    charon = Path(PROGRAMS[0])
    if image.exists() and image.stat().st_mtime > max(charon.stat().st_mtime,
                                                       Path(__file__).stat().st_mtime):
        return kernel, image
    tree = CACHE / f"tree-{os.getpid()}"
    shutil.rmtree(tree, ignore_errors=True)

    def put(path, to=None):
        target = tree / (to or path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy2(path, target, follow_symlinks=True)

    put("/bin/busybox")
    plugins = [f"/usr/lib/ipsec/plugins/libstrongswan-{name}.so" for name in PLUGINS]
    for program in PROGRAMS + [path for path in plugins if Path(path).exists()]:
        put(program)
        for library in libraries(program):
            put(library)
    put("/lib64/ld-linux-x86-64.so.2")
    put("/lib/x86_64-linux-gnu/libgcc_s.so.1")  # pthread_cancel loads it by name
    modules = next(CACHE.glob("root/lib/modules/*"))
    if not (modules / "modules.dep").exists():
        run(["depmod", "-b", str(CACHE / "root"), modules.name])
    names = []
    for path in module_order(modules):
        put(str(modules / path), f"/modules/{Path(path).name}")
        names.append(Path(path).name)
    (tree / "modules" / "order").write_text("\n".join(names) + "\n")
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    (tree / "etc").mkdir(exist_ok=True)
    (tree / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    (tree / "etc" / "group").write_text("root:x:0:\n")
    part = image.with_suffix(f".{os.getpid()}")
    part.write_bytes(gzip.compress(pack(tree), 1))
    part.rename(image)
    shutil.rmtree(tree)
    return kernel, image


def pack(tree):
    names = subprocess.run(["find", "."], cwd=tree, capture_output=True, check=True).stdout
    return subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names,
                          capture_output=True, check=True).stdout


class Guest:
    """`address` "198.51.100.1/24" on a tap device of `host`, which has `gateway` there."""

    def __init__(self, lab, host, name, address, gateway, strongswan_conf, inner=""):
        self.lab, self.host, self.address = lab, host, address.split("/")[0]
        kernel, base = build_base()
        tree = lab.folder / f"guest-{name}"
        (tree / "etc").mkdir(parents=True)
        (tree / "etc" / "strongswan.conf").write_text(strongswan_conf)
        (tree / "boot.conf").write_text(
            f"ADDRESS={address}\nGATEWAY={gateway}\nINNER={inner}\n")
        image = lab.folder / f"guest-{name}.cpio.gz"
        image.write_bytes(base.read_bytes() + gzip.compress(pack(tree)))
        prefix = address.split("/")[1]
        host.ip("tuntap", "add", "tap0", "mode", "tap")
        host.ip("addr", "add", f"{gateway}/{prefix}", "dev", "tap0")
        host.ip("link", "set", "tap0", "up")
        self.process = host.start(f"guest-{name}", [
            "qemu-system-x86_64", "-m", "256", "-smp", "1",
            "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
            "-kernel", str(kernel), "-initrd", str(image),
            "-append", "console=ttyS0 panic=-1",
            "-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no",
            "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:12:34:56"])
        try:
            wait_until(self._alive, 60, f"the guest {name} to boot")
        except LabError as error:
            log = (lab.folder / f"guest-{name}.log").read_text(errors="replace")
            raise LabError(f"{error}\n{log}") from None

    def _alive(self):
        if self.process.poll() is not None:
            raise LabError("the guest has ended")
        try:
            return "alive" in self.sh("echo alive", timeout=2)
        except (OSError, LabError):
            return False

    def sh(self, command, timeout=20, text_input=None):
        """Runs a shell command in the guest and returns its output."""
        script = f"({command}) 2>&1"
        if text_input is not None:
            script = f"cat >/tmp/input <<'END_OF_INPUT'\n{text_input}\nEND_OF_INPUT\n({command}) 2>&1"
        with Connection(self.host.netns, self.address, COMMAND_PORT, timeout) as stream:
            stream.sendall(f"{script}\nexit\n".encode())
            output = b""
            while chunk := stream.recv(65536):
                output += chunk
        return output.decode(errors="replace")


class Connection:
    """A TCP connection made inside a namespace."""

    def __init__(self, netns, address, port, timeout):
        self.arguments = netns, address, port, timeout

    def __enter__(self):
        netns, address, port, timeout = self.arguments
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        target = os.open(f"/run/netns/{netns}", os.O_RDONLY)
        setns(target)
        try:
            self.stream = socket.create_connection((address, port), timeout=timeout)
        finally:
            setns(own)
            os.close(own)
            os.close(target)
        return self.stream

    def __exit__(self, *_):
        self.stream.close()


def setns(descriptor):
    import ctypes
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")
