"""The version that a migration file gives functions of its own, where nothing else tells them from others."""

from __future__ import annotations

from typing import Any

from crossfade.errors import MappingInvalid


def told_by(version: Any, *functions: object) -> tuple[object, ...]:
    """Return what tells functions apart: themselves, or the version that was said of them."""
    return functions if version is None else ("version", version)


def check_version(version: Any, place: str) -> None:
    """Raises MappingInvalid; migration files are not type-checked."""
    if version is not None and (not isinstance(version, str) or not version):
        raise MappingInvalid(f"{place}: version={version!r} is no text", next_step='write it so: version="1"')
