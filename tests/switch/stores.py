"""Repositories of the tests: an entity is a state of the simulator's model, so that its checker can judge histories."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crossfade.sim.model import State
from crossfade.switch import Read, Write

OPERATIONS: dict[str, Read | Write] = {"find": Read(key="key"), "append": Write(key="key"), "remove": Write(key="key")}


class Down(Exception):
    """The store does not answer."""


class Shop:
    """What both kinds share. `before_save` and `after_save` may raise, or take their time."""

    def __init__(self) -> None:
        self.before_save: Callable[[str], None] = lambda _: None
        self.after_save: Callable[[str], None] = lambda _: None
        self.before_write: Callable[[str], None] = lambda _: None
        self.after_write: Callable[[str], None] = lambda _: None
        self.saves = 0

    def read(self, key: str) -> State:
        raise NotImplementedError

    def change(self, key: str, changed: Callable[[State], State]) -> None:
        raise NotImplementedError

    def find(self, key: str) -> State:
        return self.read(key)

    def append(self, key: str, token: str) -> None:
        def appended(state: State) -> State:
            n, log, status = state or (None, (), None)
            return (n or 0) + 1, (*log, token), status

        self.before_write(key)
        self.change(key, appended)
        self.after_write(key)

    def remove(self, key: str) -> None:
        self.before_write(key)
        self.change(key, lambda _: None)
        self.after_write(key)

    def image(self, key: str) -> State:
        return self.read(key)

    def store(self, key: str, image: State) -> None:
        self.saves += 1
        self.before_save(key)
        self.change(key, lambda _: image)
        self.after_save(key)

    def forgotten(self) -> None:
        """Nobody has declared this one."""


class MemoryShop(Shop):
    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, State] = {}
        self._lock = threading.Lock()

    def read(self, key: str) -> State:
        return self.rows.get(key)

    def change(self, key: str, changed: Callable[[State], State]) -> None:
        with self._lock:
            after = changed(self.rows.get(key))
            if after is None:
                _ = self.rows.pop(key, None)
            else:
                self.rows[key] = after


class SqliteShop(Shop):
    """A file: several processes may have it open."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = str(file)
        with self._open() as connection:
            _ = connection.execute("CREATE TABLE IF NOT EXISTS shop (key TEXT PRIMARY KEY, state TEXT NOT NULL)")

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=30, isolation_level=None)
        _ = connection.execute("PRAGMA synchronous=OFF")
        return connection

    def read(self, key: str) -> State:
        connection = self._open()
        try:
            return self._read(connection, key)
        finally:
            connection.close()

    @staticmethod
    def _read(connection: sqlite3.Connection, key: str) -> State:
        row: Any = connection.execute("SELECT state FROM shop WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        n, log, status = json.loads(row[0])
        return n, tuple(log), status

    def change(self, key: str, changed: Callable[[State], State]) -> None:
        connection = self._open()
        try:
            _ = connection.execute("BEGIN IMMEDIATE")
            after = changed(self._read(connection, key))
            if after is None:
                _ = connection.execute("DELETE FROM shop WHERE key = ?", (key,))
            else:
                _ = connection.execute("INSERT OR REPLACE INTO shop VALUES (?, ?)", (key, json.dumps(after)))
            _ = connection.execute("COMMIT")
        finally:
            connection.close()


class TaskShop:
    """The same in memory with coroutines, each of which takes a moment before and after what it does."""

    def __init__(self, seconds_max: float = 0.003) -> None:
        self.memory = MemoryShop()
        self.seconds_max = seconds_max

    async def _moment(self) -> None:
        await asyncio.sleep(random.random() * self.seconds_max)

    async def find(self, key: str) -> State:
        await self._moment()
        found = self.memory.find(key)
        await self._moment()
        return found

    async def append(self, key: str, token: str) -> None:
        await self._moment()
        self.memory.append(key, token)
        await self._moment()

    async def remove(self, key: str) -> None:
        await self._moment()
        self.memory.remove(key)
        await self._moment()

    async def image(self, key: str) -> State:
        await self._moment()
        return self.memory.image(key)

    async def store(self, key: str, image: State) -> None:
        await self._moment()
        self.memory.store(key, image)
        await self._moment()


def fails(share: float, chance: random.Random) -> Callable[[str], None]:
    """Raise now and then, sometimes after a while."""

    def perhaps(_key: str) -> None:
        if chance.random() < share:
            time.sleep(chance.random() * 0.02)
            raise Down("try later")

    return perhaps
