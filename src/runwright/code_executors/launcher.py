# SPDX-License-Identifier: Apache-2.0
"""What stands between this program and code that it does not trust: run as a program of its own, by its path.

It takes its settings as JSON, goes where the code sees nothing but Python, the system's libraries and a folder of its
own (namespaces(7), mount_setattr(2), pivot_root(2)), starts the code with limits on its resources (getrlimit(2)) and
without the system calls that lead around them (seccomp(2)), and waits. When the code has ended, its time is up, or
standard input is closed, everything that it started is killed, and the files that it made are handed over. It imports
the standard library alone and starts no thread: it forks.
"""

import contextlib
import ctypes
import errno
import json
import os
import platform
import select
import shutil
import signal
import stat
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

if sys.platform != "win32":
    import resource

WORK, CODE, REPORT, INPUT, OUTPUT = "folder", "code.py", "report.json", "input", "output"
"""Where things lie in the folder that is given: what the code works in, it, what came of it, and files in and out."""

COULD_NOT_START = 127
"""How a process ends, as in a shell, that could not become the code."""

GIVEN_AT = 1_000_000_000
"""The time of last change, in nanoseconds, that marks files which the code was given and left as they were."""

_NOBODY = 65534
_FIRST_USER = 0x70000000
"""Root runs each code as a user of its own, above those that systems give out: limits count the processes of a user."""

_UNSHARED = 0x00020000 | 0x08000000 | 0x04000000 | 0x20000000  # CLONE_NEWNS, NEWIPC, NEWUTS, NEWPID
_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID, _MOUNT_ATTR_NODEV = 1, 2, 4
_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
_REFUSED_BY_NUMBER = (
    {"unshare": 272, "setns": 308, "add_key": 248, "request_key": 249, "keyctl": 250, "shmget": 29, "memfd_create": 319}
    | {"bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425},
    {"unshare": 97, "setns": 268, "add_key": 217, "request_key": 218, "keyctl": 219, "shmget": 194, "memfd_create": 279}
    | {"bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "io_uring_setup": 425},
)
_REFUSED = {
    "x86_64": (0xC000003E, 56, _REFUSED_BY_NUMBER[0]),
    "aarch64": (0xC00000B7, 220, _REFUSED_BY_NUMBER[1]),
    "riscv64": (0xC00000F3, 220, _REFUSED_BY_NUMBER[1]),
}
"""By machine: what it calls itself to a filter, the number of clone(2), and the system calls that code may not make.

They give rights in namespaces of its own, and so file systems of any size; keys of this program's session; memory that
no limit counts; and much of the kernel that code has no need of.
"""
_CLONE3 = 435
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/certs")
_NETWORK = ("/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_MOST_INODES = 20_000
_DEEPEST = 32
"""How many folders deep files are looked for."""


def main() -> None:
    """Runs what the settings, the one argument, say."""
    settings = json.loads(sys.argv[1])
    os.umask(0o077)
    folder = Path(settings["folder"])
    around = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    kept = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if settings["isolated"]:
            _isolate(folder, settings)
            work = Path("/", WORK)
        else:
            work = folder / WORK
            shutil.copytree(folder / INPUT, work, dirs_exist_ok=True)
    except OSError as error:
        _report(kept, {"refused": f"{error.strerror or error} ({error.filename or 'system call'})"})
        return
    report = _run(work, settings)
    report["files"], report["files_left_out"] = _hand_over(work, kept, settings)
    _report(kept, report)
    if _is_told_to_stop(0):  # Perhaps nobody is there any more to remove the folder.
        shutil.rmtree(folder.name, ignore_errors=True, dir_fd=around)


def _report(folder: int, report: dict[str, Any]) -> None:
    handle = os.open(REPORT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=folder)
    with os.fdopen(handle, "w") as file:
        json.dump(report, file)


# --- where the code runs


def _call(function: str, *arguments: object) -> int:
    """Calls the C library.

    Raises:
        OSError: It failed.
    """
    given = [one.encode() if isinstance(one, str) else one for one in arguments]
    given = [ctypes.c_ulong(one) if isinstance(one, int) and one >= 0 else one for one in given]
    library: Any = ctypes.CDLL(None, use_errno=True)
    result = int(getattr(library, function)(*given))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), function)
    return result


def _isolate(folder: Path, settings: dict[str, Any]) -> None:
    """Leaves everything behind but what the code may see. Who is not root may do so in a user namespace."""
    user, group = os.geteuid(), os.getegid()
    flags = _UNSHARED | (0 if settings["network"] else _NEWNET)
    _call("unshare", flags if user == 0 else flags | _NEWUSER)
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _call("mount", None, "/", None, _MS_REC | _MS_PRIVATE, None)
    root = folder / "root"
    root.mkdir()
    options = f"size={settings['disk']},nr_inodes={_MOST_INODES},mode=755"
    _call("mount", "tmpfs", str(root), "tmpfs", _MS_NOSUID | _MS_NODEV, options)
    # Mounts of their own, and the only ones that can be written to: who owns the root folder, as code of a plain user
    # does, could put another Python into it, for us to load from.
    for name in (WORK, "tmp"):
        (root / name).mkdir()
        _call("mount", str(root / name), str(root / name), None, _MS_BIND, None)
    for path in _visible([*settings["readable"], *(_NETWORK if settings["network"] else ())]):
        _show(path, root)
    shutil.copytree(folder / INPUT, root / WORK, dirs_exist_ok=True)
    shutil.copyfile(folder / CODE, root / CODE)
    os.chmod(root / CODE, 0o444)
    if user == 0:
        settings["user"] = _own([root / "tmp", root / WORK, *(root / WORK).rglob("*")])
    _restrict(root, _MOUNT_ATTR_RDONLY)
    os.chdir(root)
    if (pivot_root := _PIVOT_ROOT.get(platform.machine())) is None:
        raise OSError(f"pivot_root is not known on {platform.machine()}")
    _call("syscall", pivot_root, ".", ".")
    _call("umount2", ".", _MNT_DETACH)
    os.chdir("/")


def _own(paths: list[Path]) -> int:
    """Gives paths to the user that the code runs as; nobody, where the system has too few users."""
    user = _FIRST_USER + os.getpid()
    for path in paths:
        try:
            os.chown(path, user, user)
        except OSError:
            user = _NOBODY
            os.chown(path, user, user)
    return user


def _visible(readable: list[str]) -> Iterator[Path]:
    """What the code may read. A folder goes before those that lie in it, which need no place of their own then."""
    shown: list[Path] = []
    for path in sorted({Path(os.path.abspath(one)) for one in (*_SYSTEM, *readable)}):
        if path.exists() and not any(path.is_relative_to(one) for one in shown):
            shown.append(path)
            yield path
    yield from (Path(one) for one in _DEVICES if os.path.exists(one))


def _show(path: Path, root: Path) -> None:
    """Puts a path into the new root, at its own place, to be read only."""
    place = root / path.relative_to("/")
    os.makedirs(place.parent, mode=0o755, exist_ok=True)
    for parent in place.relative_to(root).parents:
        os.chmod(root / parent, 0o755)
    if path.is_symlink() and path.is_dir():
        place.symlink_to(os.readlink(path))
        return
    if path.is_dir():
        place.mkdir(exist_ok=True)
    else:
        place.touch()
    _call("mount", str(path.resolve()), str(place), None, _MS_BIND | _MS_REC, None)
    if path not in map(Path, _DEVICES):
        _restrict(place, _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NODEV, _AT_RECURSIVE)


def _restrict(place: Path, attributes: int, reach: int = 0) -> None:
    """Takes rights from a mount, and with :data:`_AT_RECURSIVE` from those below it."""
    change = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)  # struct mount_attr
    size = ctypes.sizeof(change)
    _call("syscall", _MOUNT_SETATTR, _AT_FDCWD, str(place), reach, ctypes.byref(change), size)


# --- the code


def _run(work: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Runs the code and sees to its end, whichever comes first."""
    if sys.platform == "linux" and not settings["isolated"]:
        _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        _guarded(_first if settings["isolated"] else _code, work, settings)
    os.close(1)
    os.close(2)  # Whoever reads them waits for their end.
    status, timed_out = _waited(child, settings["seconds"])
    if status is None:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if not settings["isolated"]:
        _kill_the_rest(child)
    return {"exit_code": _exit_code(status), "timed_out": timed_out}


def _waited(child: int, seconds: float) -> tuple[int | None, bool]:
    """Waits for the child. Gives how it ended, None where it has not, and whether its time was up."""
    deadline = time.monotonic() + seconds
    watched, pause = [0], 0.02
    if hasattr(os, "pidfd_open"):
        watched, pause = [0, os.pidfd_open(child)], seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, False
        left = deadline - time.monotonic()
        if left <= 0:
            return None, True
        select.select(watched, [], [], min(left, pause))
        if _is_told_to_stop(0):
            return None, False


def _is_told_to_stop(control: int) -> bool:
    """Whether whoever started us has closed its end of standard input, or is gone."""
    readable, _, _ = select.select([control], [], [], 0)
    return bool(readable) and not os.read(control, 1)


def _exit_code(status: int) -> int:
    """As a shell shows it: 128 and the signal where one ended it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _guarded(step: Any, *arguments: Any) -> NoReturn:
    """Runs what a child does; it never returns to what its parent does."""
    try:
        step(*arguments)
    except BaseException as error:  # noqa: BLE001 - told, and the child's end
        os.write(2, f"The code could not be started: {error}\n".encode())
    finally:
        os._exit(COULD_NOT_START)


def _first(work: Path, settings: dict[str, Any]) -> None:
    """Is the first process of its namespace: when it ends, the system kills all others in it."""
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    child = os.fork()
    if child == 0:
        _guarded(_code, work, settings)
    for handle in range(3):
        os.close(handle)
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(_exit_code(status))


def _code(work: Path, settings: dict[str, Any]) -> None:
    """Becomes the code: in a session of its own, with nothing open but its output, and within its limits."""
    os.setsid()
    os.chdir(work)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.closerange(3, 65536)
    if sys.platform == "linux":
        _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for name, most in settings["limits"].items():
        _limit(name, int(most), settings["isolated"])
    if (user := settings.get("user")) is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if settings["isolated"]:
        _refuse_system_calls()
    home = "/tmp" if settings["isolated"] else str(work)
    code = f"/{CODE}" if settings["isolated"] else str(Path(settings["folder"], CODE))
    environment = {"HOME": home, "TMPDIR": home}
    os.execve(settings["python"], [settings["python"], "-I", "-B", "-X", "utf8", code], environment)


def _refuse_system_calls() -> None:
    """Installs a filter that no process started from here gets rid of. Source: seccomp(2)."""
    if (known := _REFUSED.get(platform.machine())) is None:
        raise OSError(f"Which system calls to refuse is not known on {platform.machine()}")
    machine, clone, refused = known
    load, equal, at_least, any_bit, end = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000
    steps = [(load, 0, 0, 4), (equal, 1, 0, machine), (end, 0, 0, refuse | errno.EPERM), (load, 0, 0, 0)]
    steps += [(at_least, 0, 1, 0x40000000), (end, 0, 0, refuse | errno.EPERM)]  # x32: the same calls by other numbers
    # Its flags cannot be looked at; without it, the C library takes clone(2).
    steps += [(equal, 0, 1, _CLONE3), (end, 0, 0, refuse | errno.ENOSYS)]
    for number in refused.values():
        steps += [(equal, 0, 1, number), (end, 0, 0, refuse | errno.EPERM)]
    steps += [(equal, 0, 3, clone), (load, 0, 0, 16), (any_bit, 0, 1, _NEWUSER), (end, 0, 0, refuse | errno.EPERM)]
    steps += [(end, 0, 0, allow)]
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    held = ctypes.create_string_buffer(program, len(program))
    given = struct.pack("@HP", len(steps), ctypes.addressof(held))  # struct sock_fprog
    _call("prctl", _PR_SET_SECCOMP, 2, given, 0, 0)


def _limit(name: str, most: int, isolated: bool) -> None:
    kind = getattr(resource, f"RLIMIT_{name}", None)
    if kind is None:
        return
    if name == "NPROC" and not isolated:
        most += _processes_of(os.getuid())  # All those of the user count.
    _, hard = resource.getrlimit(kind)
    highest = most + 1 if name == "CPU" else most  # so that it is told before it is killed
    highest = highest if hard == resource.RLIM_INFINITY else min(highest, hard)
    with contextlib.suppress(ValueError):  # where the system knows the limit and does not take it
        resource.setrlimit(kind, (min(most, highest), highest))


def _processes_of(user: int) -> int:
    """How many threads of all processes a user has, where the system shows them."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry.stat().st_uid == user:
                count += sum(1 for _ in (entry / "task").iterdir())
    return count


def _kill_the_rest(group: int) -> None:
    """Kills what the code has started, where no namespace does: its group, and on Linux whatever was left to us."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    while sys.platform == "linux":
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and _parent_of(entry) == os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(entry.name), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _parent_of(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


# --- what it made


def _hand_over(work: Path, kept: int, settings: dict[str, Any]) -> tuple[list[str], int]:
    """Copies the files that are new or changed, numbered, to where they are taken from; gives their names, and how many
    are left out."""
    names: list[str] = []
    left_out, room = 0, int(settings["most_bytes"])
    output = os.open(OUTPUT, os.O_RDONLY | os.O_DIRECTORY, dir_fd=kept)
    for path in _files_in(work):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # a link, or one that cannot be read
            continue
        with os.fdopen(handle, "rb") as opened:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode) or about.st_mtime_ns == GIVEN_AT:
                continue
            if len(names) >= settings["most_files"] or about.st_size > room:
                left_out += 1
                continue
            room -= about.st_size
            target = os.open(str(len(names)), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=output)
            with os.fdopen(target, "wb") as copy:
                shutil.copyfileobj(opened, copy)
        name = path.relative_to(work).as_posix()
        names.append(name.encode(errors="replace").decode())  # a name may be any bytes, the report is text
    return names, left_out


def _files_in(work: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(work):
        is_deep = len(Path(folder).parts) - len(work.parts) >= _DEEPEST
        folders[:] = [] if is_deep else sorted(folders)
        yield from (Path(folder, file) for file in sorted(files))


if __name__ == "__main__":
    main()
