"""Files that people hand in: one file, an archive of many, or pasted text. Pure; nothing is ever written to a disk.

Owns: what is read of an archive and its bounds, checked while it unpacks, so that a small archive cannot become large.
Refuses to know: forms.
"""

import io
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from ileen.studio.model import File, InputInvalid

UPLOAD_BYTES_MAX: Final = 5 * 1024 * 1024
"""The largest upload; a code base of a few hundred files is smaller when packed."""
FILES_MAX: Final = 1_000
TEXT_BYTES_MAX: Final = 20 * 1024 * 1024
"""How much an archive may unpack to."""
_FILE_BYTES_MAX: Final = 400_000
"""Larger files are data or machine-made: they are passed over."""
_SKIPPED: Final = frozenset({".git", ".hg", "node_modules", ".venv", "__pycache__", "dist", "build", ".idea", ".cache"})
_HEADING: Final = re.compile(r"^=== (\S.{0,300}?)(?: ===)?[ \t]*$", re.MULTILINE)


def read_upload(name: str, content: bytes) -> list[File]:
    """Return the text files in an upload: a zip or tar archive, or one file. Raises: InputInvalid."""
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            return _collect(_unzipped(content))
        if name.lower().endswith((".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")):
            return _collect(_untarred(content))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise InputInvalid("files", "studio.error.archive") from error
    found = _collect(iter([(name, content)]))
    if not found:
        raise InputInvalid("files", "studio.error.no_text")
    return found


def read_pasted(text: str) -> list[File]:
    """Return the files in a pasted text: each behind a line such as `=== src/app.py`, or all of it as one."""
    parts = _HEADING.split(text)
    found = [File("pasted.txt", parts[0])] if parts[0].strip() else []
    found += [File(path.strip(), body) for path, body in zip(parts[1::2], parts[2::2], strict=True)]
    return found[:FILES_MAX]


def _collect(members: Iterator[tuple[str, bytes]]) -> list[File]:
    found: list[File] = []
    size = 0
    for path, content in members:
        size += len(content)
        if size > TEXT_BYTES_MAX or len(found) >= FILES_MAX:
            raise InputInvalid("files", "studio.error.archive_large")
        if (text := _text(content)) is not None and text.strip():
            found.append(File(path[:300], text))
    return found


def _unzipped(content: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            # `file_size` is what the archive says; no more than that, and one byte, is unpacked to see if it lies.
            if not member.is_dir() and _is_wanted(member.filename) and member.file_size <= _FILE_BYTES_MAX:
                with archive.open(member) as file:
                    yield member.filename, file.read(_FILE_BYTES_MAX + 1)


def _untarred(content: bytes) -> Iterator[tuple[str, bytes]]:
    unpacked = 0
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            unpacked += member.size
            if unpacked > TEXT_BYTES_MAX:
                raise InputInvalid("files", "studio.error.archive_large")
            if member.isfile() and _is_wanted(member.name) and member.size <= _FILE_BYTES_MAX:
                file = archive.extractfile(member)
                assert file is not None, "a regular file has content"
                yield member.name, file.read()


def _is_wanted(path: str) -> bool:
    return not _SKIPPED.intersection(PurePosixPath(path).parts)


def _text(content: bytes) -> str | None:
    """Return a file's text, or None for one that is no text or too long."""
    if len(content) > _FILE_BYTES_MAX or b"\x00" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None
