"""A disk whose power can be cut: every write and every flush is recorded, so that any moment can be had again.

A FUSE file system of one file, spoken straight over /dev/fuse, holds the disk; a loop device with a file system lies on it. What the
kernel sends arrives in order. `Replay` makes the disk as it would have been found after a cut: what was written before the last
completed flush is there, and of the rest none, or any part. As root, with the kernel's fuse and loop; no package is needed.

    python disk.py FILE_TO_MOUNT_ON STORE LOG COUNTER    serves a disk until it is unmounted
"""

import ctypes
import errno
import mmap
import os
import pathlib
import shutil
import struct
import subprocess
import sys

SIZE = 1 << 30
PAGE = 4096
# What makes each file system, and has nothing durable because some seconds went by: only because somebody asked for it.
MAKING = {"ext4": ["-q", "-F", "-E", "nodiscard,lazy_itable_init=0"], "xfs": ["-q", "-K"], "btrfs": ["-q", "-K"]}
MOUNTING = {"ext4": "loop,commit=3600", "xfs": "loop,nouuid", "btrfs": "loop,commit=300"}
# One record of the log: its kind, its place on the disk, its length; then the bytes.
RECORD = struct.Struct("<cQI")
WRITE, FLUSH = b"w", b"f"

# ---------------------------------------------------------------- the file system of one file

MAX_WRITE = 1 << 20
HEADER_IN, HEADER_OUT = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE_BYTES, STATFS, RELEASE, FSYNC = 1, 2, 3, 4, 14, 15, 16, 17, 18, 20
FLUSH_HANDLE, INIT, ACCESS, INTERRUPT, DESTROY, BATCH_FORGET = 25, 26, 34, 36, 38, 42
ASYNC_READ, BIG_WRITES, MAX_PAGES = 1 << 0, 1 << 5, 1 << 22
NOSUID_NODEV = 2 | 4


class Server:
    """Answers the kernel, one request after another: what is recorded is in the order of what was done."""

    def __init__(self, mounted_on, store, log, counter):
        self.store = os.open(store, os.O_RDWR)
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND)
        self.counter = mmap.mmap(os.open(counter, os.O_RDWR), 8)
        self.count = 0
        self.device = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.device},rootmode={0o100600:o},user_id=0,group_id=0".encode()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"cuttable", os.fsencode(mounted_on), b"fuse", NOSUID_NODEV, options) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def serve(self):
        buffer = bytearray(MAX_WRITE + PAGE)
        view = memoryview(buffer)
        while True:
            try:
                length = os.readv(self.device, [buffer])
            except OSError as error:
                if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                if error.errno == errno.ENODEV:
                    return  # unmounted
                raise
            _, operation, unique, _, *_ = HEADER_IN.unpack_from(buffer)
            answer = self.answer(operation, view[HEADER_IN.size:length])
            if answer is None:
                continue
            error, parts = (answer, []) if isinstance(answer, int) else (0, answer)
            size = HEADER_OUT.size + sum(len(part) for part in parts)
            os.writev(self.device, [HEADER_OUT.pack(size, -error, unique), *parts])

    def answer(self, operation, body):
        """The parts of an answer, the number of an error, or nothing where none is waited for."""
        if operation == INIT:
            return [struct.pack("<IIIIHHIIHHI28x", 7, 31, 1 << 17, ASYNC_READ | BIG_WRITES | MAX_PAGES, 16, 12, MAX_WRITE, 1,
                                MAX_WRITE // PAGE, 0, 0)]
        if operation in (GETATTR, SETATTR):
            return [struct.pack("<QII", 1 << 30, 0, 0) + struct.pack("<6Q10I", 1, SIZE, SIZE // 512, 0, 0, 0, 0, 0, 0, 0o100600, 1, 0, 0, 0,
                                                                    PAGE, 0)]
        if operation == OPEN:
            return [struct.pack("<QII", 1, 0, 0)]
        if operation == READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            return [os.pread(self.store, size, offset)]
        if operation == WRITE_BYTES:
            _, offset, size = struct.unpack_from("<QQI", body)
            data = body[40:40 + size]
            self.record(WRITE, offset, data)
            os.pwrite(self.store, data, offset)
            return [struct.pack("<II", size, 0)]
        if operation == FSYNC:
            self.record(FLUSH, 0, b"")
            return []
        if operation == STATFS:
            return [struct.pack("<5Q4I24x", SIZE // PAGE, 0, 0, 1, 0, PAGE, 255, PAGE, 0)]
        if operation in (RELEASE, FLUSH_HANDLE, DESTROY):
            return []
        return None if operation in (FORGET, BATCH_FORGET, INTERRUPT) else errno.ENOSYS

    def record(self, kind, offset, data):
        os.writev(self.log, [RECORD.pack(kind, offset, len(data)), data])
        self.count += 1
        self.counter[:8] = struct.pack("<Q", self.count)


# ---------------------------------------------------------------- a disk


class NotPermitted(Exception):
    """This machine does not let us mount."""


def mount(*words):
    done = subprocess.run(["mount", *map(str, words)], check=False, stderr=subprocess.PIPE, text=True)
    if "permission denied" in done.stderr.lower() or "failed to setup loop device" in done.stderr.lower():
        raise NotPermitted(done.stderr)
    assert done.returncode == 0, done.stderr


class Disk:
    """A recorded disk, mounted at `folder` while it is on."""

    def __init__(self, place, kind="ext4"):
        self.place, self.kind = pathlib.Path(place), kind
        self.base, self.log, self.folder = self.place / "base", self.place / "log", self.place / "disk"
        self.file, self.store, self.counter = self.place / "device", self.place / "store", self.place / "counter"
        self.server = self.count = None

    def __enter__(self):
        if os.geteuid() != 0 or not all(os.path.exists(name) for name in ("/dev/fuse", "/dev/loop-control")):
            raise NotPermitted("root, /dev/fuse and /dev/loop-control are needed")
        self.folder.mkdir(parents=True)
        self.log.touch()
        self.file.touch()
        self.counter.write_bytes(bytes(8))
        self.count = mmap.mmap(os.open(self.counter, os.O_RDWR), 8)
        with open(self.base, "wb") as base:
            base.truncate(SIZE)
        subprocess.run([f"mkfs.{self.kind}", *MAKING[self.kind], self.base], check=True)
        copy(self.base, self.store)
        words = [sys.executable, __file__, self.file, self.store, self.log, self.counter]
        self.server = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.server.stdout.readline() != "ready\n":
            raise NotPermitted(self.server.stderr.read())
        try:
            mount("-o", MOUNTING[self.kind], self.file, self.folder)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for folder in (self.folder, self.file):
            subprocess.run(["umount", "--lazy", folder], check=False, stderr=subprocess.DEVNULL)
        try:
            self.server.wait(60)  # until the loop device has let go of the file
        finally:
            self.server.kill()

    @property
    def position(self):
        """How many writes and flushes the disk has taken."""
        return struct.unpack("<Q", self.count[:8])[0]


class Replay:
    """Makes the disk as a cut would have left it, for one moment after another in their order."""

    def __init__(self, disk, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.durable = self.folder / "durable"
        copy(disk.base, self.durable)
        self.log, self.position, self.waiting = open(disk.log, "rb"), 0, []

    def cut(self, position, dice, share=0.0, believed=None):
        """Cuts the power when the disk had taken so much; returns the file of the disk. `share` is the part of pages that were
        written and not flushed that arrive nevertheless. A disk that lies ignores the flushes after the position `believed`."""
        with open(self.durable, "r+b", buffering=0) as durable:
            while self.position < position:
                head = self.log.read(RECORD.size)
                assert len(head) == RECORD.size, "the record ends before the moment of the cut"
                kind, offset, length = RECORD.unpack(head)
                self.position += 1
                if kind == WRITE:
                    self.waiting.append((offset, self.log.read(length)))
                elif believed is None or self.position <= believed:
                    for at, data in self.waiting:
                        os.pwrite(durable.fileno(), data, at)
                    self.waiting = []
        image = self.folder / "image"
        copy(self.durable, image)
        with open(image, "r+b", buffering=0) as file:
            for offset, data in self.waiting:
                for start in range(0, len(data), PAGE):
                    if dice.random() < share:
                        os.pwrite(file.fileno(), data[start:start + PAGE], offset + start)
        return image


class Mounted:
    """A disk after the cut: the file system puts itself in order as it is mounted."""

    def __init__(self, image, folder):
        self.image, self.folder = image, pathlib.Path(folder)

    def __enter__(self):
        self.folder.mkdir(exist_ok=True)
        mount("-o", "loop", self.image, self.folder)
        return self.folder

    def __exit__(self, *_):
        subprocess.run(["umount", self.folder], check=True)


def copy(source, target):
    """Copies a file with its holes."""
    target.unlink(missing_ok=True)
    cp = shutil.which("cp")
    subprocess.run([cp, "--sparse=always", "--reflink=auto", source, target], check=True)


if __name__ == "__main__":
    server = Server(*sys.argv[1:])
    print("ready", flush=True)
    server.serve()
