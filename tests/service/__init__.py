"""A DynamoDB for tests that does what the real service does and an emulator does not, before the embedded engine.

`with FakeService.start(engine.endpoint_url, seed=1) as service:` and a client made with `service.client_options(role)`.

    service.py    what tests call: rights, throttling, faults, expiry, streams, what was counted
    front.py      the asyncio side: a request comes in, is decided upon, and goes to the engine or not
    requests.py   a request, and the items, indexes and tables that it is about
    answers.py    what the service says when it refuses, in its words and shapes
    rights.py     which rights a request needs; policies.py: IAM's decision
    rules.py      what a test wants to go wrong; partial.py: what that makes of a batch or a transaction
    capacity.py   throughput that is limited; units.py: what requests consume
    expiry.py     Time to Live; streams.py: shards, iterators, quotas; names.py: the service's ARNs and labels
    log.py        what was asked; clock.py: its clock; wire.py: HTTP

It is of the tests, and no part of crossfade: applications are tested on the engine alone (`crossfade local`), and where
they need the service they have AWS. What is said here of the service has its source beside it.
"""

from __future__ import annotations

from tests.service.answers import Answer
from tests.service.clock import Clock
from tests.service.requests import Received
from tests.service.rules import Lost, Rule
from tests.service.service import FakeService, Told

__all__ = ["Answer", "Clock", "FakeService", "Lost", "Received", "Rule", "Told"]
