"""What a reader of a page sees, and where it stands in the source."""

from graphs.tools.markup import html_lines

PAGE = """<!doctype html>
<html><head><title>Hidden</title><style>p { color: red }</style></head>
<body>
<h1>Care &amp; repair</h1>
<p>Oil the
   chain <b>weekly</b>.</p>
<script>alert("no")</script>
<ul><li>one<li>two</ul>
last
</body></html>
"""


def test_text_is_read_by_blocks() -> None:
    assert html_lines(PAGE) == [
        (4, "Care & repair"),
        (5, "Oil the chain weekly."),
        (8, "one"),
        (8, "two"),
        (9, "last"),
    ]


def test_broken_markup_loses_no_text() -> None:
    assert html_lines("<head><meta><body>a</b></div><p>b") == [(1, "a"), (1, "b")]
