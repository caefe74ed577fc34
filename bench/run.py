"""The benchmarks: run them, keep the figures as JSON, and render the table of docs/reference/performance.md.

python bench/run.py                  everything, medians of 3 rounds
python bench/run.py --quick          one short round
python bench/run.py --only ledger    one of them
python bench/run.py --peers          LiteLLM's and Portkey's gateways in the same run (installs them into .cache/peers)
python bench/run.py --large          100,000 wallets as well (ledger)
python bench/run.py --history N      with N entries written before each measurement (ledger, audit)
python bench/run.py --write          put the tables into the documentation
"""

import argparse
import json
import sys

import audit
import gateway
import ledger
from common import OUT, ROOT, Figures, commit, machine

PAGE = ROOT / "docs" / "reference" / "performance.md"


def main() -> None:
    """Do as asked."""
    parser = argparse.ArgumentParser(description="Measure Ileen beside its peers.")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that all works")
    parser.add_argument("--only", choices=["ledger", "audit", "gateway"], help="run one of them")
    parser.add_argument("--peers", action="store_true", help="measure LiteLLM and Portkey too; installs them first")
    parser.add_argument("--large", action="store_true", help="ledger: measure 100,000 wallets too")
    parser.add_argument(
        "--history", type=int, default=0, help="ledger, audit: entries to write before each measurement"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into the documentation")
    asked = parser.parse_args()
    rounds, seconds = (1, 2.0) if asked.quick else (3, 5.0)
    about = {"commit": commit(), "machine": machine(), "quick": asked.quick}
    OUT.mkdir(exist_ok=True)
    for name in [asked.only] if asked.only else ["ledger", "audit", "gateway"]:
        if name == "ledger":
            found = ledger.run(rounds=rounds, seconds=seconds, large=asked.large, history=asked.history)
        elif name == "audit":
            found = audit.run(rounds=rounds, entries=asked.history or (20_000 if asked.quick else 200_000))
        else:
            found = gateway.run(rounds=rounds, seconds=seconds, peers=asked.peers)
        result = {**about, **found}
        (OUT / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        table = render(name, result)
        print(table, flush=True)
        if asked.write:
            write(name, table)


def render(name: str, found: Figures) -> str:
    """Return the table of one benchmark, with what it was measured on."""
    on, settings = found["machine"], found["settings"]
    seconds = settings.get("seconds")
    rounds = "one round" if settings["rounds"] == 1 else f"medians of {settings['rounds']} rounds"
    about = (
        f"Commit `{found['commit']}`, {on['cores']} cores ({on['cpu']}), Python {on['python']}, "
        f"{rounds}{f' of {seconds:g} s' if seconds else ''}{', quick mode' if found['quick'] else ''}."
    )
    lines = {"ledger": _ledger, "audit": _audit, "gateway": _gateway}[name](found)
    return "\n".join([about, "", *lines])


def _ledger(found: Figures) -> list[str]:
    lines = [
        "| database | work | who | pairs/s | p50 ms | p99 ms | CPU s per 1,000 pairs | peak MiB | ratio |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, title in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
        for name, got in found[kind].items():
            work, who = name.split("/")
            lines.append(
                f"| {title} | {work} | {'Ileen' if who == 'ileen' else 'peer'} | {got['pairs_per_s']:,.0f} "
                f"| {got['p50_ms']:.1f} | {got['p99_ms']:.1f} | {got['cpu_s_per_1000_pairs']:.2f} "
                f"| {got['peak_mib']:.0f} | {_ratio(got)} |"
            )
    entries = sum(got.get("audit_entries", 0) for kind in ("sqlite", "postgresql") for got in found[kind].values())
    speeds = [got["audit_entries_per_s"] for kind in ("sqlite", "postgresql") for got in _ours(found[kind])]
    audited = f"{entries:,.0f} entries, {min(speeds):,.0f} to {max(speeds):,.0f} a second, 0 breaches"
    history = found["settings"]["history"]
    before = f" Each of our databases held {history:,} entries before." if history else ""
    return [*lines, "", f"Overspend: 0. Audit: {audited}.{before}"]


def _audit(found: Figures) -> list[str]:
    lines = [
        "| database | wallets | entries | s | entries/s | CPU s | peak MiB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, title in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
        lines += [
            f"| {title} | {got['wallets']:,.0f} | {got['entries']:,.0f} | {got['seconds']:.1f} "
            f"| {got['entries_per_s']:,.0f} | {got['cpu_s']:.1f} | {got['peak_mib']:.0f} |"
            for got in found[kind].values()
        ]
    return lines


def _ours(lines: Figures) -> list[Figures]:
    return [got for name, got in lines.items() if name.endswith("/ileen") and got["audit_entries"] > 5000]


def _ratio(got: Figures) -> str:
    return f"{got['ratio_to_peer']:.1f} ×" if "ratio_to_peer" in got else ""


def _gateway(found: Figures) -> list[str]:
    lines = [
        "| calls | clients | through | requests/s | p50 ms | p99 ms | server CPU s per 1,000 |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    titles = {"directly": "nothing (provider directly)", "ileen": "Ileen", "litellm": "LiteLLM", "portkey": "Portkey"}
    for name, got in found["lines"].items():
        how, clients, who = name.split("/")
        cpu = f"{got['server_cpu_s_per_1000']:.2f}" if "server_cpu_s_per_1000" in got else ""
        lines.append(
            f"| {how} | {clients} | {titles[who]} | {got['requests_per_s']:,.0f} | {got['p50_ms']:.1f} "
            f"| {got['p99_ms']:.1f} | {cpu} |"
        )
    audit, peak = found["audit"], found["server_peak_mib"]
    return [*lines, "", f"Server's peak memory: {peak:.0f} MiB. Audit: {audit['entries']:,} entries, 0 breaches."]


def write(name: str, table: str) -> None:
    """Put a table between its markers."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = PAGE.read_text()
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        sys.exit(f"{PAGE.relative_to(ROOT)} lacks the markers of {name}.")
    PAGE.write_text(f"{before}{begin}\n{table}\n{end}{after}")


if __name__ == "__main__":
    main()
