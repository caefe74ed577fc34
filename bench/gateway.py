"""What the gateway costs: chat completions through `ileen up`, beside the same ones sent directly to its provider.

Work: the same request, plain and streamed, from 1, 16 and 64 clients on kept-alive connections; each call through the
gateway is held and captured durably on SQLite. Baseline: the sandbox provider that stands behind the gateway, asked
without it. A request ends when its last byte is read and [DONE] or the usage has been seen. Afterwards `ileen audit`
must find nothing. Plain calls are also made by 256 clients of a provider that takes 200 ms for each, as models do.
With `peers`, LiteLLM's proxy and Portkey's gateway stand in front of the same provider in the same run.
"""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import aiohttp

from common import ROOT, Figures, cpu_seconds, in_child, medians, percentile

WORKS = [(streamed, clients, 0) for streamed in (False, True) for clients in (1, 16, 64)] + [(False, 256, 200)]
"""Streamed or plain, from how many clients, how many milliseconds the provider takes."""
MODEL = "gpt-4o-mini"
PEER = ROOT / ".cache" / "peers"
PORTKEY = "@portkey-ai/gateway@1.15.2"
ILEEN = [sys.executable, "-m", "ileen"]

Target = tuple[str, dict[str, str], int | None]
"""Base URL, headers, and the process whose CPU time counts."""


def measure(
    *, base: str, headers: dict[str, str], streamed: bool, clients: int, latency_ms: int, seconds: float
) -> Figures:
    """Measure one target with so many clients."""
    if latency_ms:
        headers = {**headers, "Ileen-Sandbox-Fault": f"latency-{latency_ms}"}
    return asyncio.run(_measure(base, headers, streamed=streamed, clients=clients, seconds=seconds))


async def _measure(base: str, headers: dict[str, str], *, streamed: bool, clients: int, seconds: float) -> Figures:
    body = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "Say a short hello."}]}
    if streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    headers = {**headers, "Content-Type": "application/json"}
    latencies: list[float] = []
    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask() -> None:
            async with session.post(f"{base}/chat/completions", data=json.dumps(body)) as answer:
                said = await answer.read()
            assert answer.status == 200, said
            assert b'"usage"' in said and (not streamed or b"[DONE]" in said), said

        async def client(deadline: float) -> None:
            while time.perf_counter() < deadline:
                before = time.perf_counter()
                await ask()
                latencies.append(time.perf_counter() - before)

        await asyncio.gather(*(ask() for _ in range(clients)))  # connections and caches are warm
        cpu, start = cpu_seconds(), time.perf_counter()
        await asyncio.gather(*(client(start + seconds) for _ in range(clients)))
        took = time.perf_counter() - start
    return {
        "requests_per_s": round(len(latencies) / took, 1),
        "p50_ms": round(percentile(latencies, 0.5) * 1000, 2),
        "p99_ms": round(percentile(latencies, 0.99) * 1000, 2),
        "client_cpu_s_per_1000": round((cpu_seconds() - cpu) / len(latencies) * 1000, 3),
        "requests": len(latencies),
    }


def server_cpu(pid: int) -> float:
    """Return the CPU seconds a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server_peak_mib(pid: int) -> float:
    """Return the most memory a process has held, in MiB (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


@contextlib.contextmanager
def up(environment: dict[str, str]) -> Generator[tuple[dict[str, str], int]]:
    """Run `ileen up`; yield what it says when ready, and its process id."""
    command = [*ILEEN, "up", "--json", "--port", "0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True)
    assert child.stdout is not None
    try:
        yield json.loads(child.stdout.readline()), child.pid
    finally:
        child.terminate()
        child.wait(timeout=30)
        child.stdout.close()


def run(*, rounds: int, seconds: float, peers: bool) -> Figures:
    """Run everything in one data directory, then audit it."""
    lines: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="ileen-bench-") as folder, contextlib.ExitStack() as stack:
        keep = {name: value for name, value in os.environ.items() if not name.startswith("ILEEN_")}
        environment = {**keep, "ILEEN_DATA_DIR": folder, "ILEEN_LOG_LEVEL": "error"}
        facts, pid = stack.enter_context(up(environment))
        _grant(environment)
        provider = f"{facts['sandbox_llm_url']}/openai/v1"
        targets: dict[str, Target] = {
            "directly": (provider, _bearer("sandbox"), None),
            "ileen": (facts["openai_base_url"], _bearer(facts["api_key"]), pid),
        }
        if peers:
            targets["litellm"] = stack.enter_context(litellm(provider, Path(folder)))
            targets["portkey"] = stack.enter_context(portkey(provider))
        for _ in range(rounds):
            for streamed, clients, latency_ms in WORKS:
                for who, (base, headers, server) in targets.items():
                    if who == "litellm" and latency_ms:
                        continue  # it does not pass on the header that asks the provider to take its time
                    task = {
                        "base": base,
                        "headers": headers,
                        "streamed": streamed,
                        "clients": clients,
                        "latency_ms": latency_ms,
                        "seconds": seconds,
                    }
                    how = "streamed" if streamed else f"plain, {latency_ms} ms" if latency_ms else "plain"
                    name = f"{how}/{clients}/{who}"
                    lines.setdefault(name, []).append(_line(name, task, server))
        audit = _audit(environment)
        assert not audit["breaches"], audit["breaches"][0]
        merged = {name: medians(got) for name, got in lines.items()}
        return {
            "settings": {"seconds": seconds, "rounds": rounds, "database": "sqlite"},
            "lines": merged,
            "server_peak_mib": round(server_peak_mib(pid), 1),
            "audit": {"entries": audit["entries"], "breaches": 0},
        }


def _line(name: str, task: Figures, server: int | None) -> Figures:
    before = server_cpu(server) if server else 0.0
    got = in_child("gateway.py", task)
    if server:
        got["server_cpu_s_per_1000"] = round((server_cpu(server) - before) / got["requests"] * 1000, 3)
    print(f"gateway · {name}: {got}", file=sys.stderr)
    return got


def _grant(environment: dict[str, str]) -> None:
    """Give the demo account enough credits for a long run."""
    command = [*ILEEN, "grant", "1000", "--reason", "Benchmark"]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def _audit(environment: dict[str, str]) -> Figures:
    command = [*ILEEN, "audit", "--json"]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    )
    return json.loads(done.stdout)


@contextlib.contextmanager
def litellm(provider: str, folder: Path) -> Generator[Target]:
    """Run LiteLLM's proxy in front of the provider, without a database: it keeps no durable budgets here."""
    uv = shutil.which("uv") or str(ROOT / ".cache" / "uv" / "bin" / "uv")
    if not (PEER / "bin" / "litellm").exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(PEER)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(PEER / "bin" / "python"), "litellm[proxy]"]
        subprocess.run(install, check=True)
    entry = {"model": f"openai/{MODEL}", "api_base": provider, "api_key": "sandbox"}
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": entry}],
        "general_settings": {"master_key": "sk-bench"},
    }
    path = folder / "litellm.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    port = _free_port()
    command = [str(PEER / "bin" / "litellm"), "--config", str(path), "--host", "127.0.0.1", "--port", str(port)]
    with _peer("litellm", command, port) as pid:
        yield f"http://127.0.0.1:{port}/v1", _bearer("sk-bench"), pid


@contextlib.contextmanager
def portkey(provider: str) -> Generator[Target]:
    """Run Portkey's gateway in front of the provider: it passes calls on and keeps no budgets."""
    folder = PEER / "portkey"
    script = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), PORTKEY]
        subprocess.run(install, check=True)
    port = _free_port()
    headers = {
        **_bearer("sandbox"),
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": provider,
        "x-portkey-forward-headers": "Ileen-Sandbox-Fault",
    }
    with _peer("portkey", ["node", str(script), "--headless", f"--port={port}"], port) as pid:
        yield f"http://127.0.0.1:{port}/v1", headers, pid


@contextlib.contextmanager
def _peer(name: str, command: list[str], port: int) -> Generator[int]:
    """Run a peer until the block ends; yield its process id once its port is open."""
    with (PEER / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _until_open(name, port, child)
            yield child.pid
        finally:
            child.terminate()
            child.wait(timeout=30)


def _until_open(name: str, port: int, child: "subprocess.Popen[bytes]") -> None:
    for _ in range(240):
        assert child.poll() is None, f"{name} did not start; see .cache/peers/{name}.log"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.5)
    raise TimeoutError(f"{name} did not open its port within 2 minutes")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
