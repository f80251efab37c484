"""Drivers perform what routines ask for: real time, real calls, and work in the background.

scope       what one run of a routine obeys: its ticket, and where its background work goes
backlog     which piece of background work is next: coalescing, delays, limits; no threads, no clock
sync        effects on threads
background  the backlog, worked off by threads
aio         both of them on asyncio

The third driver, for virtual time, is `crossfade.sim`.
"""
