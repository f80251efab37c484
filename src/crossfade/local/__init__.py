"""DynamoDB Local as an embedded database for the demo, the tests and for playing: `with DynamoDBLocal.start() as it`.

Nothing of Amazon's is in this repository or in its wheel: the "DynamoDB Local License Agreement" allows use and forbids
redistribution. The pinned release is fetched once per user (86 files, 51 MB), every file is checked against
`dynamodb_local.sha256`, and it runs on the Java that the extra `crossfade[local]` brings, so no Java has to be there.

    fetch.py     the files: which ones, from where to where, and that they are what they were
    java.py      a Java that can run them
    server.py    one server process: started, asked until it answers, ended with us whatever happens
    loopback.xml how the server is put together inside the Java process: on 127.0.0.1 only
"""

from __future__ import annotations

from crossfade.local.errors import LocalDatabaseError
from crossfade.local.server import ENDPOINT_VARIABLE, ClientOptions, DynamoDBLocal, run_in_foreground

__all__ = ["ENDPOINT_VARIABLE", "ClientOptions", "DynamoDBLocal", "LocalDatabaseError", "run_in_foreground"]
