"""Files become passages that say where they stand."""

from pathlib import Path

import pytest

from graphs.tools.documents import MAX_PASSAGE_CHARS, DocumentError, Passage, read_passages


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_markdown_is_cut_at_headings(tmp_path: Path) -> None:
    path = written(tmp_path / "a.md", "# Chain\n\nOil it.\nOften.\n\n## Tyres ##\n\n\nPump them.\n")
    assert read_passages(path) == [Passage("3", "Chain", "Oil it.\nOften."), Passage("9", "Tyres", "Pump them.")]


def test_paragraphs_of_text_are_put_together_while_they_fit(tmp_path: Path) -> None:
    short, long = "short", "word " * 99 + "end."
    path = written(tmp_path / "a.txt", f"{short}\n\n{short}\n\n{long}\n\n{long}\n")
    assert [passage.place for passage in read_passages(path)] == ["1", "7"]


def test_a_long_line_is_split_at_sentences_and_keeps_its_place(tmp_path: Path) -> None:
    sentence = "This is a sentence of some length. "
    path = written(tmp_path / "a.txt", "first\n\n" + sentence * 60 + "x" * 2_000)
    passages = read_passages(path)
    assert {passage.place for passage in passages} == {"1", "3"}
    assert all(len(passage.text) <= MAX_PASSAGE_CHARS for passage in passages)
    assert "".join("".join(passage.text.split()) for passage in passages) == "first" + "".join(
        (sentence * 60 + "x" * 2_000).split()
    )


def test_html_is_read_as_shown(tmp_path: Path) -> None:
    path = written(tmp_path / "a.html", "<body>\n<h1>Chain</h1>\n<p>Oil <b>it</b>.</p><script>no</script>")
    assert read_passages(path) == [Passage("2", "", "Chain\nOil it.")]


def test_a_pdf_says_its_page(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf("Oil the chain."))
    assert read_passages(tmp_path / "a.pdf") == [Passage("p1", "", "Oil the chain.")]


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4 nonsense")
    with pytest.raises(DocumentError, match="no PDF"):
        read_passages(tmp_path / "a.pdf")
    with pytest.raises(DocumentError, match="No such file"):
        read_passages(tmp_path / "a.txt")


def pdf(text: str) -> bytes:
    """A PDF of one page, written by hand."""
    drawing = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>/MediaBox[0 0 612 792]>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawing), drawing),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    content, places = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    begin = len(content)
    content += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(content + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % begin)
