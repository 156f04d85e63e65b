"""A small virtual machine with Debian's kernel and one IKE daemon, for what the host's kernel lacks.

The guest's only disk is an initramfs made of files of this host: busybox, the daemon with the
libraries it needs, and the modules of a Debian cloud kernel that `./dev` has downloaded to
build/guest. Daemons that cannot be installed beside strongSwan are unpacked by `./dev` into
build/peers. The guest is one more host of a Lab, connected through a tap device, and takes commands
on a TCP port of its own network. The processor is emulated: it boots in a few seconds, and nested
virtualisation, which many machines lack or have broken, is not needed.
"""
import gzip
import hashlib
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
PEERS = ROOT / "build" / "peers"
COMMAND_PORT = 2323
MODULES = ["virtio_net", "virtio_pci", "af_packet", "dummy", "esp4", "esp6", "ah4", "ah6", "xfrm_user", "af_key",
           "gcm", "ghash_generic", "ctr", "cbc", "authenc", "authencesn", "echainiv", "seqiv",
           "sha256_generic", "sha512_generic", "hmac", "jitterentropy_rng", "drbg", "nf_tables",
           "nft_numgen"]

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /var/lib /etc
/bin/busybox ln -s /run /var/run
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/usr/sbin:/usr/lib/ipsec:/usr/libexec/ipsec
while read module; do insmod /modules/$module; done </modules/order
. /boot.conf
ip link set lo up 2>/dev/null
ip addr add $ADDRESS dev eth0
ip link set eth0 up
ip route add default via $GATEWAY
[ -n "$INNER" ] && ip link set dummy0 up && ip addr add $INNER dev dummy0
echo 1 >/proc/sys/net/ipv4/ip_forward
. /boot.sh
nc -ll -p PORT -e /bin/sh
""".replace("PORT", str(COMMAND_PORT))


class Image:
    """What a guest is made of: `programs` are paths in the guest, taken from this host or, if it
    has the path, from the folder `peer` of build/peers; their libraries come along, `libraries`
    are more that are loaded by name, `trees` folders of this host, `more_modules` further modules
    of the kernel. `boot` is the shell text that starts the daemon."""

    def __init__(self, name, programs, boot, peer=None, more_libraries=(), accounts=(), trees=(),
                 more_modules=()):
        self.name, self.programs, self.boot, self.peer = name, programs, boot, peer
        self.more_libraries, self.accounts = more_libraries, accounts
        self.trees, self.more_modules = trees, more_modules

    def tree_files(self):
        for tree in self.trees:
            yield from (path for path in sorted(Path(tree).rglob("*")) if path.is_file())

    def source(self, path):
        own = PEERS / self.peer / path.lstrip("/") if self.peer else None
        return str(own) if own and own.exists() else path

    def missing(self):
        """Why this guest cannot be used here, or None."""
        if not shutil.which("qemu-system-x86_64"):
            return "no qemu-system-x86_64"
        if not list(CACHE.glob("root/boot/vmlinuz-*")):
            return "no guest kernel in build/guest (./dev fetches it)"
        absent = [path for path in self.programs if not Path(self.source(path)).exists()]
        return f"no {absent[0]} (./dev fetches it)" if absent else None

    def digest(self):
        parts = [Path(__file__).read_text(), self.boot, *self.more_libraries, *self.accounts,
                 *self.more_modules]
        parts += [f"{path} {Path(self.source(path)).stat().st_mtime_ns}"
                  for path in [*self.programs, *map(str, self.tree_files())]]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def libraries(program):
    text = run(["ldd", program], check=False).stdout
    absent = re.search(r"(\S+) => not found", text)
    if absent:
        raise LabError(f"{program} needs {absent[1]}, which is not installed")
    return {match for match in re.findall(r"(/\S+\.so[.\d]*)", text)}


def module_order(modules, names):
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

    for name in names:
        if name in by_name:
            visit(by_name[name])
    return order


def build_base(image):
    """The part of the initramfs that is the same for every guest of an image; cached."""
    kernel = next(CACHE.glob("root/boot/vmlinuz-*"))
    archive = CACHE / f"{image.name}-{image.digest()}.cpio.gz"
    if archive.exists():
        return kernel, archive
    tree = CACHE / f"tree-{image.name}-{os.getpid()}"
    shutil.rmtree(tree, ignore_errors=True)

    def put(path, to=None):
        target = tree / (to or path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy2(path, target, follow_symlinks=True)

    put("/bin/busybox")
    put("/bin/ip")
    for program in ["/bin/ip", *image.programs]:
        put(image.source(program), program)
        for library in libraries(image.source(program)):
            put(library)
    put("/lib64/ld-linux-x86-64.so.2")
    for library in ["/lib/x86_64-linux-gnu/libgcc_s.so.1",  # pthread_cancel loads it by name
                    *image.more_libraries]:
        put(library)
        for needed in libraries(library):
            put(needed)
    for path in image.tree_files():
        put(str(path))
        if path.suffix == ".so":
            for library in libraries(str(path)):
                put(library)
    put_modules(put, tree, [*MODULES, *image.more_modules])
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    (tree / "boot.sh").write_text(image.boot)
    (tree / "etc").mkdir(exist_ok=True)
    lines = ["root:x:0:0:root:/:/bin/sh", *image.accounts]
    (tree / "etc" / "passwd").write_text("\n".join(lines) + "\n")
    groups = [f"{line.split(':')[0]}:x:{line.split(':')[3]}:" for line in lines]
    (tree / "etc" / "group").write_text("\n".join(groups) + "\n")
    part = archive.with_suffix(f".{os.getpid()}")
    part.write_bytes(gzip.compress(pack(tree), 1))
    for old in CACHE.glob(f"{image.name}-*.cpio.gz"):
        old.unlink(missing_ok=True)
    part.rename(archive)
    shutil.rmtree(tree)
    return kernel, archive


def put_modules(put, tree, wanted):
    modules = next(CACHE.glob("root/lib/modules/*"))
    if not (modules / "modules.dep").exists():
        run(["depmod", "-b", str(CACHE / "root"), modules.name])
    names = []
    for path in module_order(modules, wanted):
        put(str(modules / path), f"/modules/{Path(path).name}")
        names.append(Path(path).name)
    (tree / "modules" / "order").write_text("\n".join(names) + "\n")


def pack(tree):
    names = subprocess.run(["find", "."], cwd=tree, capture_output=True, check=True).stdout
    return subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names,
                          capture_output=True, check=True).stdout


class Guest:
    """`address` "198.51.100.1/24" on a tap device of `host`, which has `gateway` there; `files` are
    more files, by path, readable by root only; `machine` are qemu's words for the processor."""

    def __init__(self, lab, host, name, image, address, gateway, files, inner="",
                 machine=("-m", "256", "-smp", "1")):
        self.lab, self.host, self.address = lab, host, address.split("/")[0]
        kernel, base = build_base(image)
        tree = lab.folder / f"guest-{name}"
        tree.mkdir()
        for path, text in files.items():
            target = tree / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            target.chmod(0o600)
        (tree / "boot.conf").write_text(
            f"ADDRESS={address}\nGATEWAY={gateway}\nINNER={inner}\n")
        image = lab.folder / f"guest-{name}.cpio.gz"
        image.write_bytes(base.read_bytes() + gzip.compress(pack(tree)))
        prefix = address.split("/")[1]
        host.ip("tuntap", "add", "tap0", "mode", "tap")
        host.ip("addr", "add", f"{gateway}/{prefix}", "dev", "tap0")
        host.ip("link", "set", "tap0", "up")
        self.process = host.start(f"guest-{name}", [
            "qemu-system-x86_64", *machine,
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
        self.stream = in_namespace(
            netns, lambda: socket.create_connection((address, port), timeout=timeout))
        return self.stream

    def __exit__(self, *_):
        self.stream.close()


def in_namespace(netns, act):
    """What `act` returns, done in that namespace: a socket made there stays there."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    target = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    try:
        setns(target)
        return act()
    finally:
        setns(own)
        os.close(own)
        os.close(target)


def setns(descriptor):
    import ctypes
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")
