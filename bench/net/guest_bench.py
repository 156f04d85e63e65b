#!/usr/bin/env python3
"""Caponier beside the kernel's ESP and WireGuard, in a virtual machine with Debian's kernel: the
namespaces of net_bench.py, all inside the guest.

  guest_bench.py --bin BUILD/bin [--repetitions N] [--seconds S] [--cpus N] [--only NAME,...]
                 [--json FILE] [--write] [--accel tcg]
  guest_bench.py --from FILE --write

Skips, with a message, where KVM is missing or does not boot the guest within a minute. With
`--accel tcg` the processor is emulated: that shows that it runs, its figures mean nothing and are
never written. --write puts the table into docs/performance.md; --from takes what was measured
elsewhere.

The kernel's tunnels live in softirqs and kernel threads that belong to no process. So the CPU of all
peers is that of the whole guest, and what plain routing used for as many bits in the same repetition
(the clients, their TCP, veth, forwarding) is taken off it.
"""
import argparse
import io
import json
import os
import sys
import sysconfig

from net_bench import GUEST_GOALS, goals, report, write_document
from peers import PEERS, TOP  # also sets the path of lab and guest
from guest import Guest, Image
from lab import Lab, LabError

NAMES = ("rt", "cp", "ca", "ke", "kg", "wk")
DEFAULT_JSON = TOP / "build" / "guest-bench.json"
PYTHON = "/usr/bin/python3"
MODULES = ["veth", "tun", "esp4_offload", "wireguard", "aesni_intel", "ghash_clmulni_intel",
           "chacha_x86_64", "poly1305_x86_64", "curve25519_x86_64", "crc32c_intel", "libcrc32c",
           "nf_tables", "nft_fib_ipv4", "nft_fib_ipv6", "nft_fib_inet", "nft_fib_netdev"]
# One repetition of one peer is about this many times --seconds, and a constant.
LENGTHS, CONSTANT_SECONDS = 6, 90


def image(binaries):
    tools = ["/bin/ping", "/usr/sbin/nft", "/usr/bin/iperf3", "/usr/bin/wg", "/usr/sbin/ethtool",
             "/bin/unshare", PYTHON]
    ours = [f"{binaries}/{name}" for name in ("caponierd", "caponier", "caponier_udp_load")]
    trees = [TOP / "bench" / "net", TOP / "tools", TOP / "tests" / "interop",
             sysconfig.get_path("stdlib")]
    return Image("bench", [*tools, *ours], "", trees=trees, more_modules=MODULES)


def machine(options):
    processor = "host" if options.accel == "kvm" else "max"
    return ("-accel", options.accel, "-cpu", processor, "-smp", str(options.cpus), "-m", "2048")


def why_not(options, kind):
    """Why nothing can be measured here, or None."""
    if options.accel == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "there is no /dev/kvm for us"
    return kind.missing()


def boot(lab, options, kind):
    host = lab.host("host")
    return Guest(lab, host, "bench", kind, "192.0.2.1/24", "192.0.2.254", {},
                 machine=machine(options))


def measure(guest, options, names):
    """What net_bench.py says in the guest: {title: {figure: [value]}}."""
    patience = options.repetitions * len(names) * (LENGTHS * options.seconds + CONSTANT_SECONDS)
    command = (f"mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm; cd {TOP}; "
               f"{PYTHON} bench/net/net_bench.py --bin {options.bin} --whole --json /tmp/results "
               f"--repetitions {options.repetitions} --seconds {options.seconds} "
               f"--only {','.join(names)}")
    said = guest.sh(command, timeout=patience)
    print(said, file=sys.stderr)
    try:
        return json.loads(guest.sh("cat /tmp/results"))
    except json.JSONDecodeError:
        raise LabError(f"no results came out of the guest:\n{said}") from None


def processor():
    with open("/proc/cpuinfo") as text:
        return next(line.split(":")[1].strip() for line in text if line.startswith("model name"))


def show(document):
    """The table and the goals as Markdown."""
    titles = {peer.name: peer.title for peer in PEERS if peer.title in document["results"]}
    table = io.StringIO()
    print(f"Linux {document['kernel']} on {document['cpus']} CPUs, {document['processor']}:\n",
          file=table)
    report(document["results"], table)
    return "\n".join([table.getvalue(), *goals(document["results"], titles, GUEST_GOALS), ""])


def run_in_guest(options):
    names = options.only.split(",") if options.only else NAMES
    kind = image(options.bin)
    reason = why_not(options, kind)
    if reason:
        print(f"skipped: {reason}")
        return None
    with Lab("capg") as lab:
        try:
            guest = boot(lab, options, kind)
        except LabError as error:
            if options.accel != "kvm":
                raise
            print(error, file=sys.stderr)
            print("skipped: KVM does not boot the guest, as where virtualisation is nested and "
                  "does not work; above is what the guest has said")
            return None
        results = measure(guest, options, names)
        return {"accel": options.accel, "kernel": guest.sh("uname -r").strip(),
                "cpus": options.cpus, "processor": processor(), "results": results}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=os.path.abspath)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--cpus", type=int, default=min(4, os.cpu_count()))
    parser.add_argument("--only", help="short names; " + ",".join(NAMES))
    parser.add_argument("--json", default=DEFAULT_JSON)
    parser.add_argument("--from", dest="source", help="a file that --json has written")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--accel", choices=("kvm", "tcg"), default="kvm")
    options = parser.parse_args()
    if options.source:
        with open(options.source) as text:
            document = json.load(text)
    else:
        document = run_in_guest(options)
        if document is None:
            return 0
        with open(options.json, "w") as out:
            json.dump(document, out, indent=1)
    text = show(document)
    if document["accel"] != "kvm":
        print("EMULATED: the figures mean nothing")
    print(text)
    if options.write and document["accel"] == "kvm":
        write_document(text, "./dev bench guest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
