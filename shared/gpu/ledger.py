"""Who holds how much of a device's memory: an account that all processes on it keep together.

One JSON file per device lies in a folder that the processes share. It is changed only under a lock
on the file beside it, and replaced whole, so a reader sees the old account or the new one. Each
process holds a lock on a file of its own for as long as it lives; the kernel drops that lock when
the process ends, however it ends, and the next one that looks strikes its shares out. Locks, unlike
process ids, also mean the same to processes in different containers.

Nothing here waits: ``reserve`` gives a share or says what is missing. ``shared.gpu.budget`` waits.
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from shared.errors import Unavailable

log = logging.getLogger(__name__)

HEADROOM = 1.2
"""A model is given this times what it held when it was measured: larger batches take more."""
FADING = 0.9
"""What is left of a remembered footprint at each load that needs less."""
FIRST_GUESS_BYTES = 256 * 2**20
"""Least room in which a model is loaded whose footprint nobody has measured yet."""
LOCK_PATIENCE_S = 5.0
"""Longest wait for the account's lock, which is never held for longer than a file takes."""


class DeviceMemoryFull(Unavailable):
    """The model does not fit beside what the device or the service's budget holds already."""

    code = "device_memory_full"


@dataclass(frozen=True)
class Claim:
    """What is to be loaded."""

    service: str
    model: str  # with the service, what the footprint is remembered under
    budget_bytes: int | None = None  # most that the service may hold; None: no bound of its own


@dataclass(frozen=True)
class Room:
    """What a device has, as it says itself."""

    usable_bytes: int  # all of it, less what is kept free
    free_bytes: int  # what nobody uses now, less what is kept free


@dataclass(frozen=True)
class Share:
    """A part of the device's memory, promised to one model."""

    id: str
    holder: str
    service: str
    model: str
    size_bytes: int
    most_bytes: int = 0  # that it could ever be given
    is_loaded: bool = False  # before, its memory is promised but not in use
    used_at_s: float = 0.0  # on the monotonic clock of the machine
    is_wanted: bool = False  # another model asks for it


@dataclass(frozen=True)
class Shortage:
    """Why there is no share, for now."""

    needed_bytes: int
    left_bytes: int
    asked: tuple[str, ...] = ()  # models whose holders have been asked to give theirs up

    def __str__(self) -> str:
        """One sentence for operators."""
        text = f"needs {self.needed_bytes / 2**30:.2f} GiB, {self.left_bytes / 2**30:.2f} are left"
        return f"{text}; asked to unload: {', '.join(self.asked)}" if self.asked else text


@dataclass
class _Account:
    """The content of the file."""

    shares: list[Share]
    footprints: dict[str, int]  # bytes by "service/model", the most ever measured

    def total(self, service: str | None = None, *, loaded: bool | None = None) -> int:
        return sum(
            each.size_bytes
            for each in self.shares
            if service in (None, each.service) and loaded in (None, each.is_loaded)
        )


class MemoryLedger:
    """One process's hand on the account of one device. Calls touch the disk, for milliseconds."""

    def __init__(
        self,
        folder: Path,
        device_id: str,
        *,
        idle_after_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join the processes that keep the account in ``folder``.

        Args:
            folder: the same for all that share the device; made for the owner alone.
            device_id: UUID of the GPU, or ``host``.
            idle_after_s: a model that has not worked for so long may be asked to go.
            clock: monotonic time in s, the same for all processes of the machine.

        Raises:
            PermissionError: the folder belongs to somebody else.
        """
        _make_private(folder)
        name = "".join(each if each.isalnum() or each == "-" else "_" for each in device_id)
        self._file = folder / f"{name}.json"
        self._lock_file = folder / f"{name}.lock"
        self._holders = folder / "holders"
        self._holders.mkdir(exist_ok=True, mode=0o700)
        self._idle_after_s, self._clock = idle_after_s, clock
        self.holder = secrets.token_hex(8)
        self._life = self._hold_life()

    # What a model does

    def reserve(self, claim: Claim, room: Room) -> Share | Shortage:
        """Promise memory to a model, or ask idle ones to make room.

        A model whose footprint is known gets that; any other gets all that is left, so that it is
        loaded alone and can harm nobody, and gives back the rest once it has been measured.

        Raises:
            DeviceMemoryFull: it does not fit, however long one waits.
        """
        with self._changing() as account:
            found = self._reserve(account, claim, room)
        if isinstance(found, DeviceMemoryFull):
            raise found
        return found

    def settle(self, share: Share, measured_bytes: int) -> Share:
        """Replace the promise by what the loaded model was measured to hold, and remember that.

        A model that holds more than was promised keeps the promise: ``release`` it instead.
        """
        size = min(round(measured_bytes * HEADROOM), share.size_bytes)
        settled = replace(share, size_bytes=size, is_loaded=True, used_at_s=self._clock())
        with self._changing() as account:
            _put(account, settled)
            # What is not seen again is forgotten, a tenth a load: weights and options change.
            faded = round(FADING * account.footprints.get(_key(share), 0))
            account.footprints[_key(share)] = max(faded, measured_bytes)
        return settled

    def note(self, share: Share, measured_bytes: int | None = None) -> Share:
        """Say that the model has worked, and what it held then; it is not idle any more."""
        size = max(share.size_bytes, measured_bytes or 0)
        noted = replace(share, size_bytes=size, used_at_s=self._clock(), is_wanted=False)
        with self._changing() as account:
            _put(account, noted)  # also when the account was lost meanwhile
            if measured_bytes is not None:
                _remember(account, noted, measured_bytes)
        return noted

    def release(self, share: Share, *, needs_bytes: int | None = None) -> None:
        """Give a share back.

        Args:
            share: it; releasing it twice does no harm.
            needs_bytes: what the model was found to need, if it did not fit.
        """
        with self._changing() as account:
            account.shares = [each for each in account.shares if each.id != share.id]
            if needs_bytes is not None:
                _remember(account, share, needs_bytes)

    # What everybody sees

    def shares(self) -> list[Share]:
        """All shares of processes that live."""
        with self._changing() as account:
            return list(account.shares)

    def wanted(self) -> list[Share]:
        """Shares of this process that others ask for; reads one small file, takes no lock."""
        return [each for each in self._read().shares if each.is_wanted and self._owns(each)]

    def close(self) -> None:
        """Give back all shares of this process and leave."""
        if self._life < 0:
            return
        with self._changing() as account:
            account.shares = [each for each in account.shares if not self._owns(each)]
        os.close(self._life)
        self._life = -1
        (self._holders / self.holder).unlink(missing_ok=True)

    # Inside

    def _reserve(
        self, account: _Account, claim: Claim, room: Room
    ) -> Share | Shortage | DeviceMemoryFull:
        # What is promised but not in use yet is still counted as free by the device.
        left = min(
            room.usable_bytes - account.total(),
            room.free_bytes - account.total(loaded=False),
        )
        most = room.usable_bytes
        if claim.budget_bytes is not None:
            most = min(most, claim.budget_bytes)
            left = min(left, claim.budget_bytes - account.total(claim.service))
        left = max(0, left)
        footprint = account.footprints.get(_key(claim))
        if footprint is not None and footprint > most:
            # It may be another model's by now: after some refusals it is measured again.
            account.footprints[_key(claim)] = round(FADING * footprint)
            return _too_large(claim, footprint, most)
        if footprint is None:
            needed, wanted = min(FIRST_GUESS_BYTES, most), left
        else:
            needed = wanted = min(round(footprint * HEADROOM), most)
        if needed > left:
            return Shortage(needed, left, self._ask_idle(account, claim, needed - left))
        share = Share(
            id=secrets.token_hex(8),
            holder=self.holder,
            service=claim.service,
            model=claim.model,
            size_bytes=wanted,
            most_bytes=most,
            used_at_s=self._clock(),
        )
        account.shares.append(share)
        return share

    def _owns(self, share: Share) -> bool:
        return share.holder == self.holder

    def _hold_life(self) -> int:
        path = self._holders / self.holder
        with self._locked():  # else it may be taken for a dead one's between its two steps
            for each in self._holders.iterdir():
                self._lives(each.name)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor

    def _lives(self, holder: str) -> bool:
        """Whether a holder's process lives; clears its file away if not."""
        path = self._holders / holder
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        path.unlink(missing_ok=True)
        return False

    def _ask_idle(self, account: _Account, claim: Claim, missing: int) -> tuple[str, ...]:
        """Mark the longest idle models until they make room enough; none if they never would."""
        own_budget_is_full = (
            claim.budget_bytes is not None
            and account.total(claim.service) + missing > claim.budget_bytes
        )
        idle_since = self._clock() - self._idle_after_s
        idle = sorted(
            (each for each in account.shares if each.is_loaded and each.used_at_s <= idle_since),
            key=lambda each: each.used_at_s,
        )
        if own_budget_is_full:
            idle = [each for each in idle if each.service == claim.service]
        chosen: list[Share] = []
        for each in idle:
            if missing <= 0:
                break
            chosen.append(each)
            missing -= each.size_bytes
        if missing > 0:
            return ()
        for each in chosen:
            _put(account, replace(each, is_wanted=True))
        return tuple(f"{each.service}/{each.model}" for each in chosen)

    @contextmanager
    def _changing(self) -> Iterator[_Account]:
        """The account without the dead, written back if it has changed."""
        with self._locked():
            account = self._read()
            before = _packed(account)
            living = {holder: self._lives(holder) for holder in {s.holder for s in account.shares}
                      if holder != self.holder}  # fmt: skip
            account.shares = [s for s in account.shares if living.get(s.holder, True)]
            yield account
            after = _packed(account)
            if after != before:
                part = self._file.with_suffix(f".{self.holder}.part")
                part.write_text(after)
                part.replace(self._file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + LOCK_PATIENCE_S
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() > deadline:
                    raise Unavailable(f"{self._lock_file} is locked by a process that hangs")
                time.sleep(0.002)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> _Account:
        try:
            fields: dict[str, Any] = json.loads(self._file.read_text())
            shares = [Share(**each) for each in fields["shares"]]
            return _Account(shares, {key: int(size) for key, size in fields["footprints"].items()})
        except FileNotFoundError:
            return _Account([], {})
        except (ValueError, TypeError, KeyError, AttributeError):
            # Those that live enter their shares again when they work.
            log.warning("%s was damaged; starting a new account", self._file.name)
            return _Account([], {})


def _key(owner: Claim | Share) -> str:
    return f"{owner.service}/{owner.model}"


def _too_large(claim: Claim, footprint: int, most: int) -> DeviceMemoryFull:
    return DeviceMemoryFull(
        f"{_key(claim)} needs {footprint / 2**30:.2f} GiB of the device's memory; it may take "
        f"{most / 2**30:.2f}: raise the budget, or choose a smaller model or compute type"
    )


def _put(account: _Account, share: Share) -> None:
    others = [each for each in account.shares if each.id != share.id]
    account.shares = [*others, share]


def _remember(account: _Account, share: Share, measured_bytes: int) -> None:
    key = _key(share)
    account.footprints[key] = max(account.footprints.get(key, 0), measured_bytes)


def _packed(account: _Account) -> str:
    return json.dumps(
        {"shares": [asdict(each) for each in account.shares], "footprints": account.footprints},
        indent=1,
    )


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else; name another folder")
