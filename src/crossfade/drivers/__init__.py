"""Drivers perform what routines ask for: real time, real calls, and work in the background.

scope       what one run of a routine obeys: its ticket, and where its background work goes
backlog     which piece of background work is next: coalescing, delays, limits; no threads, no clock
local       effects that take no time
sync        effects on threads
aio         effects on asyncio, and the backlog worked off there
inline      the backlog worked off before the answer, by callers that are threads; aio_inline: by tasks
loop_thread an event loop beside an application that blocks

The third driver, for virtual time, is `crossfade.sim`.
"""
