"""The house stays tidy: what no linter of ours says."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def test_every_module_says_what_it_is() -> None:
    silent = [str(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_bytes()))]
    assert SOURCES and silent == []


def test_nothing_is_left_to_do_or_skipped() -> None:
    word = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|pytest\.(mark\.)?(sk" + r"ip|xf" + r"ail)")
    places = [*SOURCES, *(ROOT / "tests").rglob("*.py")]
    assert [str(path) for path in places if word.search(path.read_text(encoding="utf-8"))] == []


def test_pages_name_no_path_of_one_machine() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *SOURCES]
    path = re.compile(r"(?<![\w./])/(home|Users|root|work)/|\.\./shar" + "ed")
    assert [str(page) for page in pages if path.search(page.read_text(encoding="utf-8"))] == []


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
