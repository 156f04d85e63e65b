#!/usr/bin/env python3
"""Caponier beside its peers through the same path in network namespaces, in one run, in turns.

  net_bench.py --bin BUILD/bin [--repetitions N] [--seconds S] [--only NAME,...] [--json FILE]
               [--write] [--whole]

Nothing here passes or fails. Every figure is a median with the lowest and highest of the
repetitions. The CPU is what the gateways' processes used, both together, user and system; what the
kernel does for them in softirqs comes on top for all alike. With --whole it is what the whole
machine was not idle, for machines on which nothing else runs, and "beyond routing" is that without
what plain routing used for as many bits. --write puts the table and the ratios into
docs/performance.md.
"""
import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import time

from peers import CLIENT_B, PEERS, TOP  # also sets the path of lab
from lab import Lab, LabError, run, wait_until

TICKS = os.sysconf("SC_CLK_TCK")
UDP_SIZES = (64, 512, 1372)
LOSS_MAX_PERCENT = 0.1
UDP_STEPS = 6


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def machine_seconds():
    """How long all processors together were not idle, nor taken away by a host, since they started.
    Idle time is exact; what processes and interrupts used is sampled by many kernels."""
    with open("/proc/stat") as stat:
        fields = [int(field) for field in stat.readline().split()[1:]]
    idle, iowait, steal = fields[3], fields[4], fields[7]
    return time.monotonic() * os.cpu_count() - (idle + iowait + steal) / TICKS


def iperf(peer, *arguments, seconds):
    done = peer.client_a.run("iperf3", "-c", CLIENT_B, "-J", "-t", str(seconds), *arguments,
                             check=False, timeout=seconds + 30)
    document = json.loads(done.stdout)
    if "error" in document:
        raise LabError(f"{peer.title}: iperf3: {document['error']}")
    return document["end"]


def tcp(peer, options, streams, reverse=False):
    """Gbit/s, and the CPU seconds used in a second."""
    pids = peer.gateway_pids()
    used_so_far = machine_seconds if options.whole else lambda: cpu_seconds(pids)
    before, start = used_so_far(), time.monotonic()
    end = iperf(peer, "-P", str(streams), *(["-R"] if reverse else []), seconds=options.seconds)
    used = (used_so_far() - before) / (time.monotonic() - start)
    rate = end["sum_received"]["bits_per_second"] / 1e9
    return rate, used


def udp_loss(peer, options, size, rate):
    """Sends for a second: (percent lost, packets sent in a second)."""
    tool, port = f"{options.bin}/caponier_udp_load", "7010"
    log = peer.lab.folder / f"udp-{peer.name}.log"
    log.unlink(missing_ok=True)
    receiver = peer.client_b.start(f"udp-{peer.name}", [tool, "receive", port], log)
    wait_until(lambda: log.exists() and "ready" in log.read_text(), 10, "the receiver")
    text = peer.client_a.run(tool, "send", CLIENT_B, port, str(size), str(int(rate)), "1").stdout
    sent, seconds = map(float, text.split())
    try:
        receiver.wait(5)
        received = int(log.read_text().split()[-1])
    except (subprocess.TimeoutExpired, ValueError):
        peer.lab.stop(receiver)
        received = 0
    return 100 * max(0.0, sent - received) / sent, sent / seconds


def udp(peer, options, size):
    """The highest rate found, in kpps, at which no more than LOSS_MAX_PERCENT were lost."""
    low, high, best = 20e3, 1280e3, 0.0
    for _ in range(UDP_STEPS):
        wanted = (low * high) ** 0.5
        lost, sent = udp_loss(peer, options, size, wanted)
        if lost <= LOSS_MAX_PERCENT:
            best = max(best, sent)
            low = wanted
            if sent < wanted * 0.9:
                break  # the client cannot send more
        else:
            high = wanted
    return best / 1000


def latencies(peer, count, interval):
    text = peer.client_a.run("ping", "-n", "-c", str(count), "-i", str(interval), CLIENT_B,
                             check=False, timeout=60).stdout
    times = sorted(float(line.split("time=")[1].split()[0]) * 1000
                   for line in text.splitlines() if "time=" in line)
    if not times:
        raise LabError(f"{peer.title}: no ping came back")
    return statistics.median(times), times[min(len(times) - 1, int(len(times) * 0.99))]


def loaded_latencies(peer, seconds):
    load = peer.client_a.start(f"load-{peer.name}", ["iperf3", "-c", CLIENT_B, "-t",
                                                     str(seconds + 1)])
    time.sleep(0.5)
    result = latencies(peer, int(seconds * 100), 0.01)
    load.wait(seconds + 20)
    return result


def measure(peer, options):
    """One repetition: figure name -> value."""
    figures, seconds = {}, options.seconds
    for streams in (1, 4):
        for reverse in (False, True):
            way = "back" if reverse else "there"
            rate, used = tcp(peer, options, streams, reverse)
            figures[f"tcp {streams} {way} Gbit/s"] = rate
            if used > 0:
                figures[f"tcp {streams} {way} CPU"] = used
                figures[f"tcp {streams} {way} Gbit/s per CPU"] = rate / used
    for size in UDP_SIZES:
        figures[f"udp {size} kpps"] = udp(peer, options, size)
    figures["ping p50 us"], figures["ping p99 us"] = latencies(peer, 300, 0.003)
    loaded = loaded_latencies(peer, seconds)
    figures["ping loaded p50 us"], figures["ping loaded p99 us"] = loaded
    return figures


def beyond_routing(results, routing):
    """Adds Gbit/s for each CPU second that is not routing's, of each repetition, to all results but
    those of the peer `routing`."""
    for title, figures in results.items():
        for streams in (1, 4):
            for way in ("there", "back"):
                name = f"tcp {streams} {way}"
                cost = [[used / rate for used, rate in zip(one.get(f"{name} CPU", []),
                                                           one[f"{name} Gbit/s"])]
                        for one in (figures, results[routing])]
                own = [tunnel - plain for tunnel, plain in zip(*cost)]
                if title != routing and own and min(own) > 0:
                    figures[f"{name} Gbit/s per CPU beyond routing"] = [1 / one for one in own]


def spread(values):
    return statistics.median(values), min(values), max(values)


def show(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def report(results, out):
    """A Markdown table: a row for each figure, a column for each peer."""
    titles = list(results)
    print("| figure | " + " | ".join(titles) + " |", file=out)
    print("|---" * (len(titles) + 1) + "|", file=out)
    names = {name: None for figures in results.values() for name in figures}
    for name in names:
        cells = []
        for title in titles:
            values = results[title].get(name)
            if not values:
                cells.append("-")
                continue
            median, low, high = spread(values)
            cells.append(f"{show(median)} ({show(low)}..{show(high)})")
        print(f"| {name} | " + " | ".join(cells) + " |", file=out)


def ratio(results, ours, theirs, name):
    """Ours over theirs, of each repetition: (median, lowest, highest)."""
    pairs = zip(results[ours].get(name, []), results.get(theirs, {}).get(name, []))
    values = [a / b for a, b in pairs if b > 0]
    return spread(values) if values else None


PER_CPU = "tcp 1 there Gbit/s per CPU"
BEYOND = f"{PER_CPU} beyond routing"
GOALS = [("wg", PER_CPU, 3), ("ss", PER_CPU, 10), ("wg", "udp 64 kpps", 4),
         ("rt", "tcp 1 there Gbit/s", 0.6)]
GUEST_GOALS = [("wk", BEYOND, 1.5), ("ke", BEYOND, 1.2), ("kg", BEYOND, 1.2)]


def goals(results, titles, wanted):
    """A sentence for each of the wanted goals that this run can judge."""
    for name, figure, goal in wanted:
        if name not in titles or "cp" not in titles:
            continue
        found = ratio(results, titles["cp"], titles[name], figure)
        if not found:
            continue
        median, low, high = found
        word = "met" if median >= goal else "MISSED"
        yield (f"- {figure}: {median:.2f} ({low:.2f}..{high:.2f}) times {titles[name]}; "
               f"goal {goal}: {word}")


DRIVERS = [("ca", "cp", "AF_PACKET over TUN"), ("cx", "cp", "AF_XDP over UDP sockets"),
           ("cy", "cn", "AF_XDP over raw sockets, native ESP")]


def drivers(results, titles):
    """What the drivers that may be chosen are worth beside the usual ones."""
    figures = [f"tcp {streams} {way} {unit}" for streams in (1, 4) for way in ("there", "back")
               for unit in ("Gbit/s", "Gbit/s per CPU")]
    for ours, usual, name in DRIVERS:
        for figure in (*figures, *(f"udp {size} kpps" for size in UDP_SIZES)):
            found = ours in titles and usual in titles and ratio(results, titles[ours],
                                                                 titles[usual], figure)
            if found:
                median, low, high = found
                yield f"- {figure}, {name}: {median:.2f} ({low:.2f}..{high:.2f})"


def write_document(text, command="./dev bench net"):
    """Replaces what `command` has put into docs/performance.md."""
    path = TOP / "docs" / "performance.md"
    begin, end = f"<!-- {command} --write -->\n", f"<!-- end of {command} -->\n"
    before, rest = path.read_text().split(begin)
    path.write_text(before + begin + text + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", help="short names: " + ", ".join(peer.name for peer in PEERS))
    parser.add_argument("--json")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--whole", action="store_true", help="CPU of the whole machine")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else [peer.name for peer in PEERS]
    Lab.run_quiet = staticmethod(lambda command: run(command, check=False).stdout)
    with Lab("capn") as lab:
        peers = []
        for kind in PEERS:
            if kind.name not in wanted:
                continue
            why = kind.missing()
            if why:
                print(f"skipped: {kind.title}: {why}")
                continue
            peer = kind(lab, options)
            peer.client_b.start(f"iperf3-{kind.name}", ["iperf3", "-s"])
            peers.append(peer)
        results = {peer.title: {} for peer in peers}
        for repetition in range(options.repetitions):
            for peer in peers:
                for name, value in measure(peer, options).items():
                    results[peer.title].setdefault(name, []).append(value)
                print(f"{repetition + 1} of {options.repetitions}: {peer.title}",
                      file=sys.stderr, flush=True)
        titles = {peer.name: peer.title for peer in peers}
        if options.whole and "rt" in titles:
            beyond_routing(results, titles["rt"])
        table = io.StringIO()
        report(results, table)
        text = "\n".join([table.getvalue(), *goals(results, titles, GOALS),
                          *drivers(results, titles), ""])
        print(text)
        if options.write:
            write_document(text)
        if options.json:
            with open(options.json, "w") as out:
                json.dump(results, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
