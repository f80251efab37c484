"""A lean asynchronous client of DynamoDB, for what is done in bulk: mirrors, shadow reads, backfill and verify.

A call through boto3 costs 20 times and more what its HTTP request does, most of it spent on checking parameters,
walking shapes and rebuilding what never changes. Here DynamoDB's JSON is the request and the reply, the signing key is
kept for the day, and a connection is a protocol on the event loop. How to reach AWS is the botocore client's to say:
credentials, region, endpoint, TLS, proxies, timeouts, retries and user agent are taken from it.

client        one call, from the request to the reply, with its attempts
settings      what is taken from botocore's client
operations    what the service's model says of an operation
encoding, decoding, refusals    JSON there and back; what an answer that is not a success means
signing, identity, endpoints    signature version 4; credentials that are refreshed; where a request goes
connection, chunks, opening, pool    HTTP/1.1 on asyncio; proxies and TLS; limits and timeouts
retrying      which failures are tried again, and when
failures      what may go wrong, by what it says of the request
"""
