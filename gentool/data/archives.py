"""Images inside .zip and .tar archives, read in memory: nothing is ever unpacked to disk."""

import contextlib
import functools
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Self

from gentool.data.folders import legible, of_the_system
from gentool.data.idx import image_names, read_idx_files
from gentool.data.raw import Raw, Skipped
from gentool.errors import DataError

UTF8_FLAG = 0x800
LARGEST_MEMBER = 256 * 2**20
LARGEST_RATIO = 200
_SUSPICIOUS = 16 * 2**20
LARGEST_TOTAL = 64 * 2**30
LARGEST_HEADER = 2**20
"""The most bytes of a name or of extended headers in a tar archive, whose readers take them into memory."""
LARGEST_IN_MEMORY = 2 * 2**30
MOST_MEMBERS = 5_000_000


def normalised(member: zipfile.ZipInfo) -> str:
    """A member's name as other systems write it: with `/` (some tools on Windows write a backslash), in UTF-8.

    A name without the UTF-8 flag was read as code page 437; where its bytes are UTF-8, they are taken as such.
    """
    name = member.filename
    if not member.flag_bits & UTF8_FLAG:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _unsafe(name: str) -> str | None:
    """Why a member's name is refused."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and re.match("[A-Za-z]:", path.parts[0])):
        return "its name points outside the archive"
    return None


def _too_large(size: int, packed: int | None) -> str | None:
    """Why a member of this unpacked and packed size is refused."""
    if size > LARGEST_MEMBER:
        return f"unpacks to more than {LARGEST_MEMBER // 2**20} MiB"
    if packed is not None and size > _SUSPICIOUS and size > LARGEST_RATIO * max(packed, 1):
        return f"unpacks to {size // max(packed, 1)} times its packed size"
    return None


def read_zip(path: Path) -> Raw:
    """The files of a zip archive as images. Raises DataError when the archive is damaged."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError(f"{path}: not a readable zip archive ({error}); fetch it again") from None
    members: list[zipfile.ZipInfo] = []
    names: list[str] = []
    skipped: list[Skipped] = []
    ignored = total = 0
    every = sorted(((normalised(member), member) for member in archive.infolist()), key=lambda pair: pair[0])
    for name, member in every:
        if name.endswith("/"):
            continue
        reason = _unsafe(name) or _too_large(member.file_size, member.compress_size)
        if stat.S_ISLNK(member.external_attr >> 16):
            reason = "a link"
        elif member.flag_bits & 1:
            reason = "encrypted"
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            reason = "compressed with a method other than deflate; unpack the archive and give the folder"
        elif total + member.file_size > LARGEST_TOTAL or len(members) >= MOST_MEMBERS:
            reason = "the archive is too large unpacked; unpack it and give the folder"
        if not reason and of_the_system(name):
            ignored += 1
        elif reason:
            skipped.append(Skipped(name, reason))
        else:
            members.append(member)
            names.append(name)
            total += member.file_size

    def content(number: int) -> bytes:
        try:
            return archive.read(members[number])
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError) as error:
            raise OSError(f"damaged in the archive: {error}") from None

    if image_names(dict.fromkeys(names, bytes)):
        files = {name: functools.partial(content, number) for number, name in enumerate(names)}
        with contextlib.closing(archive):
            return read_idx_files(files, str(path))
    return Raw(
        kind="zip archive",
        where=str(path),
        count=len(members),
        get=content,
        name=lambda i: legible(names[i]),
        folders=True,
        skipped=tuple(skipped),
        ignored=ignored,
        close=archive.close,
    )


class _Member(tarfile.TarInfo):
    """A member of a tar archive, whose headers are of a bounded size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """A member from its header. Raises tarfile.ReadError for one with a long name or headers that are too long."""
        member = super().frombuf(buf, encoding, errors)
        if not member.isreg() and not member.isdir() and member.size > LARGEST_HEADER:
            raise tarfile.ReadError(f"headers of more than {LARGEST_HEADER // 2**20} MiB")
        return member


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive, compressed or not, or was one before it was cut short."""
    try:
        with tarfile.open(path, tarinfo=_Member):
            return True
    except tarfile.ReadError as error:
        return "headers" in str(error)
    except tarfile.TarError:
        return False
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, RecursionError):
        return ".tar" in path.suffixes or path.suffix == ".tgz"


def read_tar(path: Path) -> Raw:
    """The files of a tar archive, compressed or not, as images. Raises DataError when the archive is damaged.

    A compressed tar can only be read from the start, so its files are kept in memory.
    """
    contents: dict[str, bytes] = {}
    skipped: list[Skipped] = []
    ignored = total = passed = 0
    most = min(LARGEST_TOTAL, max(LARGEST_MEMBER, LARGEST_RATIO * path.stat().st_size))
    try:
        with tarfile.open(path, tarinfo=_Member) as archive:
            for member in archive:
                if member.isdir():
                    continue
                name = member.name.replace("\\", "/")
                passed += member.size
                if passed > most:  # skipped members are decompressed too: stop here
                    skipped.append(Skipped(legible(name), "the archive is too large unpacked; the rest is not read"))
                    break
                reason = _unsafe(name) or _too_large(member.size, None)
                if member.issym() or member.islnk():
                    reason = "a link"
                elif not member.isreg():
                    reason = "not a regular file"
                elif total + member.size > LARGEST_IN_MEMORY or len(contents) >= MOST_MEMBERS:
                    reason = f"beyond {LARGEST_IN_MEMORY // 2**30} GiB; unpack the archive and give the folder"
                if not reason and of_the_system(name):
                    ignored += 1
                elif reason is None:
                    file = archive.extractfile(member)
                    assert file is not None
                    contents[name] = file.read()
                    total += member.size
                else:
                    skipped.append(Skipped(legible(name), reason))
    except RecursionError:
        raise DataError(f"{path}: not a readable tar archive (endless headers)") from None
    except (OSError, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise DataError(f"{path}: not a complete tar archive ({error}); fetch it again") from None
    names = sorted(contents)
    if image_names(dict.fromkeys(names, bytes)):
        return read_idx_files(
            {name: functools.partial(bytes, content) for name, content in contents.items()}, str(path)
        )
    return Raw(
        kind="tar archive",
        where=str(path),
        count=len(names),
        get=lambda i: contents[names[i]],
        name=lambda i: legible(names[i]),
        folders=True,
        skipped=tuple(skipped),
        ignored=ignored,
    )
