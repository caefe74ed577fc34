"""What people hand in: uploads within bounds, pasted files, git logs, chunks that can be found again."""

import io
import tarfile
import zipfile
from itertools import pairwise

import pytest

from ileen.studio.agents.content import commits_in
from ileen.studio.agents.index import LINES, OVERLAP, cut, nearest
from ileen.studio.model import File, InputInvalid
from ileen.studio.store import Chunk
from ileen.studio.uploads import read_pasted, read_upload


def zipped(**files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path.replace("__", "/"), text)
    return content.getvalue()


def test_an_archive_is_read_without_what_is_no_source() -> None:
    content = zipped(src__a=b"one", node_modules__b=b"two", picture=b"\x00\x01", latin=b"\xe9", blank=b" \n")

    assert read_upload("code.zip", content) == [File("src/a", "one")]


def test_a_tar_is_read_and_its_links_are_not_followed() -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo("app.py")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"run"))
        link = tarfile.TarInfo("secrets")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)

    assert read_upload("code.tar.gz", content.getvalue()) == [File("app.py", "run")]


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("code.zip", zipped(**{f"f{i}": b"x" * 390_000 for i in range(60)}), "studio.error.archive_large"),
        ("code.zip", zipped(**{f"f{i}": b"x" for i in range(1_001)}), "studio.error.archive_large"),
        ("code.tar.gz", b"no archive at all", "studio.error.archive"),
        ("photo.jpg", b"\xff\xd8\x00", "studio.error.no_text"),
    ],
)
def test_what_is_too_much_or_no_text_is_refused(name: str, content: bytes, key: str) -> None:
    with pytest.raises(InputInvalid) as refused:
        read_upload(name, content)

    assert refused.value.key == key


def test_pasted_files_are_told_apart_by_their_headings() -> None:
    assert read_pasted("=== a.py\none\n=== b/c.py ===\ntwo") == [File("a.py", "\none\n"), File("b/c.py", "\ntwo")]
    assert read_pasted("just text") == [File("pasted.txt", "just text")]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("abc1234 Add refunds\ndef5678 (HEAD -> main, tag: v1) Fix rounding", ["Add refunds", "Fix rounding"]),
        ("* abc1234 Add\n| * def5678 Merge branch 'a'\n* aaa1111 fixup! Add", ["Add"]),
        (
            "commit abcdef1234567\nAuthor: A\n\n    Subject\n\n    Body\n\ncommit bbbbbbb\n\n    Other",
            ["Subject", "Other"],
        ),
        ("\n \n", []),
    ],
)
def test_a_log_comes_to_its_subjects(log: str, expected: list[str]) -> None:
    assert commits_in(log) == expected


def test_chunks_cover_every_line_and_overlap() -> None:
    pieces = cut(File("a.py", "\n".join(str(n) for n in range(1, 101))))

    assert [(each.first, each.last) for each in pieces] == [(1, 40), (33, 72), (65, 100)]
    assert all(after.first == before.last + 1 - OVERLAP for before, after in pairwise(pieces))
    assert max(each.last - each.first + 1 for each in pieces) <= LINES
    assert cut(File("blank", "\n\n")) == []


def test_the_nearest_chunks_come_first_and_other_models_vectors_last() -> None:
    def chunk(path: str, vector: list[float]) -> Chunk:
        return Chunk(path=path, first=1, last=1, text="", vector=vector)

    chunks = [chunk("other", [1.0]), chunk("far", [0.0, 1.0]), chunk("near", [0.9, 0.1]), chunk("nil", [0.0, 0.0])]

    assert [each.path for each in nearest(chunks, [1.0, 0.0], count=2)] == ["near", "far"]
