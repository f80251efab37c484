"""What `make faults` tries of the strategy `freeze`: the switch between two repositories, and the ETL behind a row log.

    clock.py        virtual time: loops, threads that are gone on with step by step, what lands later
    mishaps.py      what one request or one method of a repository can come to
    wire.py         the service behind the real clients, in memory
    stores.py       two repositories
    switching.py    every fate of a call of a real `Switch`
    brokers.py      Kafka's client, in memory
    carrying.py     every fate of changes that a real worker applies

The clients, the switch and the worker are the real ones. Nothing waits: time passes where all have to wait.
"""
