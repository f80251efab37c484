"""What is installed from the wheel: all that a migration needs, without the demo."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
EVERY_MODULE: Final = """\
import importlib, pkgutil, crossfade
names = [found.name for found in pkgutil.walk_packages(crossfade.__path__, "crossfade.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names), crossfade.__file__)
"""
CROSSFADE: Final = """\
from importlib.metadata import entry_points
(found,) = entry_points(group="console_scripts", name="crossfade")
found.load()()
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment that holds the wheel, and beside it the packages of the tests' own, but not this checkout."""

    wheel: Path
    folder: Path

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        """What a program says, in a folder that holds nothing."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [str(self.folder / "bin" / "python"), "-c", program, *words]
        empty = self.folder.parent / "empty"
        empty.mkdir(exist_ok=True)
        return subprocess.run(command, env=environment, cwd=empty, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built from the checkout and unpacked, which needs neither the network nor pip."""
    there = tmp_path_factory.mktemp("wheel")
    folder = there / "environment"
    done_by(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(there))
    done_by(sys.executable, "-m", "venv", "--without-pip", str(folder))
    (wheel,) = there.glob("*.whl")
    (packages,) = folder.glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    # A folder that is named this way has its own .pth files left alone, so an editable checkout stays out.
    _ = (packages / "beside.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    return Installed(wheel, folder)


def done_by(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_wheel_holds_all_but_the_demo(installed: Installed) -> None:
    """Every file of src/crossfade is in it, and none of the demo's."""
    package = ROOT / "src" / "crossfade"
    held = {name for name in zipfile.ZipFile(installed.wheel).namelist() if name.startswith("crossfade/")}
    files = (each for each in package.rglob("*") if each.is_file() and each.suffix != ".pyc")
    demo = package / "demo"
    assert held == {each.relative_to(package.parent).as_posix() for each in files if demo not in each.parents}


def test_nothing_that_is_installed_needs_the_demo_to_be_imported(installed: Installed) -> None:
    """Every module of the wheel is imported where there is no demo."""
    done = installed.run(EVERY_MODULE)
    assert done.returncode == 0, done.stderr
    count, where = done.stdout.split()
    assert int(count) > 400
    assert Path(where).is_relative_to(installed.folder)


def test_its_commands_are_listed_without_the_demo(installed: Installed) -> None:
    """`crossfade --help` names what can be run, and a command's own help comes as ever."""
    listed = installed.run(CROSSFADE, "--help")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "\n  check " in listed.stdout
    assert "\n  demo " not in listed.stdout
    own = installed.run(CROSSFADE, "check", "--help")
    assert own.returncode == 0
    assert own.stdout.startswith("Usage: crossfade check")


@pytest.mark.parametrize("words", [(), ("--quick", "--seed", "7"), ("--help",)], ids=" ".join)
def test_who_asks_for_the_demo_is_told_where_it_is(installed: Installed, words: tuple[str, ...]) -> None:
    """No traceback: what it is not, the next step, and the status of what could not run."""
    done = installed.run(CROSSFADE, "demo", *words)
    assert done.returncode == 2
    assert "the demo is no part of the installed package" in done.stderr
    assert "make demo" in done.stderr
    assert "Traceback" not in done.stderr
