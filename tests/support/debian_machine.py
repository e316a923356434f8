"""A Debian with systemd and cron, booted in a container of systemd-nspawn, with the program.

``make test-systemd`` sets ``TEST_SYSTEMD``. Other runs skip its tests: they take minutes. So does a
machine that cannot run them, unless ``TEST_SYSTEMD`` is ``required``.
"""

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import click
import pytest

from tests.support import ROOT

PROGRAM: Final = "/opt/gaussdb-tasks/bin/gaussdb-tasks"
_RELEASE: Final = "bookworm"
_PACKAGES: Final = "systemd,systemd-sysv,dbus,python3,python3-venv,cron,ca-certificates,tzdata"
_TREE: Final = Path(sys.prefix, "debian")
_NSPAWN: Final = ("systemd-nspawn", "--quiet", "--private-network", "--register=no", "--keep-unit")
_PATIENCE_SECONDS: Final = 300
"""How long to wait for an event that must come; far more than it takes."""


@dataclass(frozen=True)
class Machine:
    """A booted machine."""

    root: Path
    init: int
    """The process id of its init."""

    def run(self, command: str, *, is_checked: bool = True) -> str:
        """Run a shell command as root in the machine; return its stdout.

        Args:
            command: the command.
            is_checked: whether another exit code than 0 fails the test.
        """
        ran = subprocess.run(
            [
                *("nsenter", f"--target={self.init}", "--mount", "--uts", "--ipc", "--net"),
                *("--pid", "--root", "--wd", "/usr/bin/env", "-i", "LC_ALL=C.UTF-8"),
                *("HOME=/root", "PATH=/usr/sbin:/usr/bin", "/bin/sh", "-c", command),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if is_checked:
            assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def write(self, path: str, content: str) -> None:
        """Write a file of the machine, and make its folder."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def unit(self, name: str) -> dict[str, str]:
        """Return the properties of a unit."""
        lines = self.run(f"systemctl show --all {name}").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def journal(self, unit: str) -> str:
        """Return the messages of a unit."""
        return self.run(f"journalctl --no-pager --output=cat --unit={unit}")

    def wait_until(self, is_reached: Callable[[], bool], explain: Callable[[], str]) -> None:
        """Wait for an event; if it does not come, fail with an explanation."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not is_reached():
            assert time.monotonic() < end, explain()
            time.sleep(0.2)


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """Boot a machine with the program in ``/opt/gaussdb-tasks``, and stop it at the end.

    Args:
        folder: an empty folder for its files.
    """
    root = folder / "machine"
    _run("cp", "--archive", "--reflink=auto", str(_tree()), str(root))
    binds = _install(root, folder)
    environment = dict(os.environ)
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        environment["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "0"
    with (folder / "console.log").open("w") as console:
        nspawn = subprocess.Popen(
            [*_NSPAWN, "--directory", str(root), "--boot", "--console=pipe", *binds],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
    try:
        machine = Machine(root, _init(nspawn, folder / "console.log"))
        _await_boot(machine)
        yield machine
    finally:
        nspawn.terminate()  # shuts the machine down
        try:
            nspawn.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            nspawn.kill()


def _init(nspawn: "subprocess.Popen[bytes]", log: Path) -> int:
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    end = time.monotonic() + _PATIENCE_SECONDS
    while nspawn.poll() is None and time.monotonic() < end:
        found = children.read_text().split()
        if found and Path(f"/proc/{found[0]}/comm").read_text() == "systemd\n":
            return int(found[0])
        time.sleep(0.1)
    return _skip_or_fail(f"a machine does not boot here: {log.read_text()[-500:]}")


def _await_boot(machine: Machine) -> None:
    machine.wait_until(
        lambda: (
            machine.run("systemctl is-system-running --wait", is_checked=False)
            in {"running\n", "degraded\n"}
        ),
        lambda: machine.run("systemctl list-jobs", is_checked=False),
    )


def _install(root: Path, folder: Path) -> Sequence[str]:
    """Install the wheel of this tree in a machine; return the binds of what it requires.

    The required packages are those of the running environment, read-only.
    """
    _run(
        *(sys.executable, "-m", "hatchling", "build", "--target", "wheel"),
        *("--directory", str(folder / "wheel")),
    )
    (wheel,) = (folder / "wheel").glob("*.whl")
    shutil.copy(wheel, root / "root")
    packages = Path(click.__file__).resolve().parent.parent
    environment = PROGRAM.removesuffix("/bin/gaussdb-tasks")
    inside = (
        f"python3 -m venv {environment}",
        f"{environment}/bin/pip install --quiet --no-index --no-deps /root/{wheel.name}",
        f"echo /opt/packages > {environment}/lib/python{_minor()}/site-packages/required.pth",
    )
    _run(*_NSPAWN, "--directory", str(root), "/bin/sh", "-ec", "\n".join(inside))
    return [f"--bind-ro={packages}:/opt/packages"]


def _tree() -> Path:
    """Return a tree of Debian, made once for an environment."""
    if not os.environ.get("TEST_SYSTEMD"):
        pytest.skip("it takes minutes; run `make test-systemd`")
    if os.geteuid() != 0:
        _skip_or_fail("a container needs root; run as root: make test-systemd")
    for program, package in (("systemd-nspawn", "systemd-container"), ("debootstrap",) * 2):
        if shutil.which(program) is None:
            _skip_or_fail(f"{program} is not installed; run: apt-get install {package}")
    if not (_TREE / ".complete").exists():
        _make_tree()
    if not (_TREE / f"usr/bin/python{_minor()}").exists():
        _skip_or_fail(
            f"Debian {_RELEASE} does not have Python {_minor()}; use its own: "
            "make test-systemd PYTHON=python3.11"
        )
    ran = subprocess.run(
        [*_NSPAWN, "--directory", str(_TREE), "--read-only", "/bin/true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        _skip_or_fail(f"containers cannot run here: {ran.stderr}")
    return _TREE


def _make_tree() -> None:
    # What is left of a broken attempt may still have /proc and /sys mounted.
    _run("rm", "--recursive", "--force", "--one-file-system", str(_TREE))
    options = ("--variant=minbase", f"--include={_PACKAGES}")
    ran = subprocess.run(
        ["debootstrap", *options, _RELEASE, str(_TREE), _mirror()],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        _skip_or_fail(f"debootstrap makes no Debian here: {(ran.stdout + ran.stderr)[-500:]}")
    (_TREE / ".complete").touch()


def _mirror() -> str:
    """Return the first archive that apt is set up with."""
    if platform.freedesktop_os_release().get("ID") == "debian":
        lines = _run("apt-get", "indextargets", "--format", "$(SITE)").splitlines()
        for line in lines:
            if "debian" in line and "security" not in line:
                return line
    return _skip_or_fail("apt of this machine does not name an archive of Debian")


def _minor() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _run(*command: str) -> str:
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{command}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"
    return ran.stdout


def _skip_or_fail(reason: str) -> NoReturn:
    if os.environ.get("TEST_SYSTEMD") == "required":
        pytest.fail(reason)
    pytest.skip(reason)
