"""Real servers that belong together: a primary with a replica and a Sentinel, and a cluster of three."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redis import Redis

from .valkey import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ("Watched", "cluster", "watched")

_SLOTS = 16384


class Watched:
    """A primary, its replica, and the Sentinel that makes the one the other when it dies."""

    def __init__(self, primary: Server, replica: Server, port: int) -> None:
        self.primary = primary
        self.replica = replica
        self.port = port
        self.url = f"redis+sentinel://127.0.0.1:{port}/main/0"


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Start a primary, a replica and a Sentinel, and wait until they know each other."""
    primary = _started(folder / "primary")
    replica = _started(folder / "replica", "--replicaof", "127.0.0.1", str(primary.port))
    port = free_port()
    configuration = folder / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor main 127.0.0.1 {primary.port} 1\n"
        "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n"
    )
    command = [primary.program, str(configuration), "--sentinel"]
    sentinel = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with Redis(port=port) as client:
            _wait(
                lambda: (
                    len(client.sentinel_slaves("main")) == 1 and client.sentinel_slaves("main")[0]["flags"] == "slave"
                )
            )
        with Redis.from_url(replica.url) as client:
            _wait(lambda: _info(client)["master_link_status"] == "up")
        yield Watched(primary, replica, port)
    finally:
        sentinel.kill()
        sentinel.wait()
        primary.kill()
        replica.kill()


@contextmanager
def cluster(folder: Path) -> Iterator[list[Server]]:
    """Start three servers that share the slots among them, and wait until all say so."""
    buses = [free_port() for _ in range(3)]
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port")
    servers = [_started(folder / str(bus), *options, str(bus)) for bus in buses]
    clients: list[Any] = [Redis.from_url(server.url) for server in servers]
    try:
        for number, client in enumerate(clients):
            first, end = number * _SLOTS // 3, (number + 1) * _SLOTS // 3
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server, bus in zip(servers[1:], buses[1:], strict=True):
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        _wait(lambda: all(_is_whole(client) for client in clients))
        yield servers
    finally:
        for client in clients:
            client.close()
        for server in servers:
            server.kill()


def _started(folder: Path, *options: str) -> Server:
    folder.mkdir()
    server = Server(folder, *options)
    server.start()
    return server


def _info(client: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.info("replication")
    return found


def _is_whole(client: Any) -> bool:
    raw = client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True)
    return b"cluster_state:ok" in raw and b"cluster_known_nodes:3" in raw


def _wait(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up, "the servers do not find each other"
        time.sleep(0.02)
