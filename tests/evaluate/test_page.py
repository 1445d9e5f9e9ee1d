"""The page: what it says, that nothing in it leads outside, and how it behaves in a browser."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.firmware import Firmware, Memory
from intrs_edge.evaluate.gallery import gallery, picked
from intrs_edge.evaluate.identity import image_digest, rows_digest
from intrs_edge.evaluate.metrics import summarise
from intrs_edge.evaluate.page import Extras, headline_radius, html, write_page

LONG = "a cat with a very long name, which no legend and no table may cut"
HOSTILE = "</script><img src=x onerror=alert(1)>"

browser = importlib.util.spec_from_file_location("chromium", Path(__file__).with_name("chromium.py"))
assert browser
assert browser.loader
chromium = importlib.util.module_from_spec(browser)
browser.loader.exec_module(chromium)
needs_browser = pytest.mark.skipif(not chromium.found(), reason="chromium is not installed (make tools-test)")

pytest.importorskip("plotly")


class Words(HTMLParser):
    """Text outside scripts and styles, every attribute that names something to load, and the scripts by id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.loads, self.scripts, self._in = "", [], {}, ""
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.loads += [found[name] for name in ("src", "href", "action", "data", "poster", "srcset") if name in found]
        self._in = f"{tag}#{found.get('id', '')}" if tag in ("script", "style") else ""

    def handle_endtag(self, tag):
        self._in = "" if tag in ("script", "style") else self._in

    def handle_data(self, data):
        if self._in:
            self.scripts[self._in] = self.scripts.get(self._in, "") + data
        else:
            self.text += data + "\n"

    @property
    def words(self) -> str:
        return " ".join(self.text.split())

    @property
    def data(self):
        return json.loads(self.scripts["script#data"])


@pytest.fixture
def rows(certified_rows):
    # right, right, wrong (a bird taken for a cat), abstained, right
    return certified_rows((1000, 0, 0), (900, 1, 1), (950, 1, 2), (510, 3, 3), (700, 2, 2))


@pytest.fixture
def images(rows, tmp_path):
    """The images of the rows, and the rows that know them by their digests."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (len(rows), 8, 8, 1), np.uint8)
    np.save(tmp_path / "toy.npy", pixels)
    for row, image in zip(rows, pixels, strict=True):
        row.extra["pixels"] = image_digest(image)
    for row in rows:
        row.extra["images"] = rows_digest(rows)
    return tmp_path / "toy.npy"


FIRMWARE = Firmware(
    {},
    (Memory("flash", (("code", 30), ("weights", 50), ("tables", 20)), 200), Memory("RAM", (("arena", 7),), 0)),
    "<svg xmlns='http://www.w3.org/2000/svg'/>",
    (("board", "a board"), ("instructions an inference", "1 234")),
)


### what it says ###


def test_the_sentence_and_the_figures(rows):
    page = Words(html({"mine": rows}, (0.0, 0.25, 0.5)))
    # three of five are right; the radii of 1000, 900 and 700 votes are .6, .3 and .1
    assert "60.0 % of 5 images (95 % interval 14.7 to 94.7 %) are answered rightly, and some distance is" in page.words
    assert "except with probability 0.001 per image" in page.words
    assert "80.0 % certified: 4 of 5 images" in _facts(page)
    assert "0.616" in page.words  # the largest radius
    curve = page.data["logs"][0]["curves"]["cohen"]
    assert curve["y"][0] == 0.6
    assert curve["x"][-1] == pytest.approx(0.615823)
    assert page.data["logs"][0]["curves"]["eq10"]["y"][0] == 0.75
    assert page.data["logs"][0]["curves"]["share"]["y"][0] == 0.8


def _facts(page: Words) -> str:
    """Values before what they are, as a reader sees them."""
    return re.sub(r"(certified: [^%]*?images) (\S+ %)", r"\2 \1", page.words)


def test_the_headline_names_the_largest_radius_that_half_of_the_images_reach(certified_rows):
    rows = certified_rows(*[(1000, 0, 0)] * 3, (510, 0, 0))
    assert headline_radius(summarise(rows)) == 0.5
    page = Words(html({"a": rows})).words
    assert "75.0 % of 4 images" in page
    assert "no change of the pixels within an l2 distance of 0.5 can alter that answer" in page


def test_classes_and_confusion(rows):
    page = Words(html({"mine": rows}))
    confusion = page.data["logs"][0]["confusion"]
    assert confusion["labels"][1:3] == ["<b>bird</b>", LONG]
    assert confusion["answers"][-1] == "abstained"
    assert confusion["counts"] == [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1]]
    assert re.search(rf"<b>bird</b> 2 50.0 % 50.0 % 1 to 99 % 0\.1\d\d 0 {LONG} \(1\)", page.words)


def test_many_classes_are_a_table_and_no_plot(make_rows):
    page = Words(html({"mine": make_rows((0, 0, 0.5), (900, 7, 0.25))}))
    assert page.data["logs"][0]["confusion"] is None
    assert "Most frequent confusions label answer images 900 7 1" in page.words


def test_nothing_leads_outside_and_nothing_is_markup(certified_rows, images, rows):
    for row in rows:
        row.extra["file"] = HOSTILE
        row.extra["predict_name"] = row.extra["predict_name"] and HOSTILE
    extras = Extras({HOSTILE: gallery(rows, str(images))}, {HOSTILE: FIRMWARE}, {HOSTILE: "ab" * 32})
    page = Words(html({HOSTILE: rows}, extras=extras))
    assert all(load.startswith(("data:", "#")) for load in page.loads)
    assert len(page.loads) > 5
    assert HOSTILE in page.words  # as text
    assert page.tags.count("script") == 3
    assert page.data["logs"][0]["name"] == HOSTILE
    assert not re.search(r"url\(|@import|https?:", page.scripts["style#"] + page.scripts["script#"])


def test_the_library_is_whole(rows):
    packed = Words(html({"a": rows})).scripts["script#plotly"]
    source = gzip.decompress(base64.b64decode(packed)).decode()
    assert "plotly.js v" in source[:200]  # its licence line comes with it
    assert source.rstrip().endswith(";")


def test_without_plotly_it_says_what_to_do(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(IntrsError, match=r"pip install 'intrs-edge\[report\]'"):
        write_page({"a": rows}, tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_without_labels(certified_rows):
    page = Words(html({"mine": certified_rows((1000, 0, 0), (510, 1, 1), labels=False)}))
    assert "50.0 % of 2 images" in page.words
    assert "get an answer that no change of the pixels within an l2 distance of 0.5 can alter" in page.words
    assert "accuracy is not known" in page.words
    assert list(page.data["kinds"]) == ["share"]
    assert page.data["logs"][0]["confusion"] is None


def test_a_published_log_of_six_columns(make_rows):
    page = Words(html({"theirs": make_rows((0, 0, 0.5), (1, 1, 0.25))}))
    assert "the largest radius in the log" in page.words
    assert page.data["logs"][0]["limit"] == 0.5


def test_warnings_are_on_the_page(rows, certified_rows):
    page = Words(html({"a": rows, "b": certified_rows((990, 3, 3), sigma="0.5")})).words
    assert "Read this first" in page
    assert "the logs hold different images" in page
    assert "sigma differs: a 0.25, b 0.5" in page
    assert "Read this first" not in Words(html({"a": rows})).words


def test_samples_saved(certified_rows):
    rows = certified_rows((1000, 0, 0), (900, 1, 1), mode="target-radius=0.25")
    rows[0].extra.update(samples="100", stop="accept")
    assert "45.0 %" in Words(html({"a": rows})).words  # 1100 of 2000 samples were used
    assert "of the samples saved by stopping early (1 accept, 1 full)" in Words(html({"a": rows})).words


def test_firmware(rows):
    page = Words(html({"a": rows}, extras=Extras(firmware={"a": FIRMWARE}))).words
    assert "flash: 100 of 200 bytes code 30 weights 50 tables 20" in page
    assert "RAM: 7 bytes arena 7" in page
    assert "instructions an inference 1 234" in page


### the gallery ###


def test_the_gallery_shows_the_images_that_were_certified(rows, images):
    found = gallery(rows, str(images))
    assert {kind: [p.row.idx for p in some] for kind, some in found.items()} == {
        "strongest": [0, 1, 4], "wrong": [2], "abstained": [3]}  # fmt: skip
    page = Words(html({"a": rows}, extras=Extras({"a": found})))
    assert sum(load.startswith("data:image/png") for load in page.loads) == 5
    assert f"some/2.png {LONG} , radius" in page.words
    assert "label <b>bird</b>" in page.words


def test_other_images_are_refused(rows, images, tmp_path):
    pixels = np.load(images)
    pixels[4, 0, 0, 0] ^= 1
    np.save(tmp_path / "other.npy", pixels)
    with pytest.raises(IntrsError, match="image 4 is not the one that was certified"):
        gallery(rows, str(tmp_path / "other.npy"))
    with pytest.raises(IntrsError, match="image 0 is not the one"):
        gallery(rows, f"{images}[1:]")


def test_the_strongest_and_the_weakest_are_different_images(make_rows):
    rows = make_rows(*((0, 0, k / 100) for k in range(1, 9)))
    assert {kind: [row.idx for row in some] for kind, some in picked(rows).items()} == {
        "strongest": [7, 6, 5, 4, 3, 2], "weakest": [0, 1]}  # fmt: skip


### in a browser ###


@pytest.fixture
def window(tmp_path):
    opened = chromium.Browser(tmp_path / "profile")
    yield opened
    opened.close()


@pytest.fixture
def page(rows, images, certified_rows, tmp_path):
    write_page(
        {"mine": rows, LONG: certified_rows((1000, 0, 0), (800, 1, 1))},
        tmp_path / "page.html",
        extras=Extras({"mine": gallery(rows, str(images))}, {"mine": FIRMWARE}, {"mine": "ab" * 32}),
    )
    return tmp_path / "page.html"


@needs_browser
def test_it_draws_without_a_complaint_and_fits(window, page):
    for width, dark in itertools.product((400, 1200), (False, True)):
        window.open(page, width, dark)
        assert window.run("document.documentElement.dataset.plots") == "drawn"
        assert window.run("document.documentElement.scrollWidth") == width
        assert window.run("document.querySelectorAll('.plot .main-svg').length") >= 5
        # texts of the plots have the theme's ink
        ink = window.run("getComputedStyle(document.querySelector('#curves .xtick text')).fill")
        assert ink == ("rgb(230, 235, 242)" if dark else "rgb(27, 36, 48)")
    assert window.problems == []


@needs_browser
def test_a_complaint_would_be_seen(window, tmp_path):
    bad = "<html data-plots=none><script>console.error('oh'); missing(); </script><img src=http://127.0.0.1:9/x.png>"
    (tmp_path / "bad.html").write_text(bad)
    window.open(tmp_path / "bad.html")
    assert any("oh" in problem for problem in window.problems)
    assert any("missing is not defined" in problem for problem in window.problems)
    assert any("asks the network" in problem for problem in window.problems)


@needs_browser
def test_the_toggles_work(window, page):
    window.open(page)
    shapes = "document.querySelectorAll('#curves .scatterlayer .trace').length"
    first = "document.querySelector('#curves .scatterlayer .trace:last-child path.js-line').getAttribute('d')"
    assert window.run(shapes) == 6  # two logs, each a curve and the two edges of its band
    window.click("input[name=band]")
    assert window.run(shapes) == 2
    window.click("input[name=log][value='1']")
    assert window.run(shapes) == 1
    before = window.run(first)
    read = "document.getElementById('read').textContent"
    assert "60.0 %" in window.run(read)
    window.click("input[name=kind][value=eq10]")
    assert window.run(first) != before
    assert "75.0 %" in window.run(read)
    window.click("#theme")
    assert window.run("document.documentElement.dataset.theme") == "light"
    window.click("#theme")
    dark = "getComputedStyle(document.querySelector('#curves .xtick text')).fill"
    assert window.run(dark) == "rgb(230, 235, 242)"
    assert window.problems == []


@needs_browser
def test_hovering_says_what_is_there_with_the_whole_name(window, page):
    window.open(page)
    window.click("input[name=log][value='0']")
    window.run("document.getElementById('curves').scrollIntoView({block: 'center'})")
    x, y = window.run(
        "(() => { const g = document.getElementById('curves'), l = g._fullLayout, r = g.getBoundingClientRect();"
        "return [r.x + l.xaxis._offset + l.xaxis.d2p(0.0), r.y + l.yaxis._offset + l.yaxis.d2p(100)]; })()"
    )
    for step in range(4):  # a mouse that comes along the curve
        window.point(x + 40 - 10 * step, y + 2)
    window.wait("document.querySelector('#curves .hoverlayer .hovertext') !== null")
    said = window.run("document.querySelector('#curves .hoverlayer').textContent").replace("\xa0", " ")
    assert re.search(r"100\.0 % at radius 0\.\d{3}95 %: ", said)
    assert LONG.replace(" ", "") in said.replace(" ", "")
    inside = window.run(
        "(() => { const h = document.querySelector('#curves .hovertext').getBoundingClientRect();"
        "return h.left >= 0 && h.right <= innerWidth; })()"
    )
    assert inside


@needs_browser
def test_no_name_is_clipped(window, page):
    places = "['label.name', 'h2', '.headline .log', '.gallery p', 'th[scope=row]', 'td.text']"
    for width in (400, 1200):
        window.open(page, width)
        clipped = window.run(
            f"{places}.flatMap(s => [...document.querySelectorAll(s)]).filter(e => e.scrollWidth > e.clientWidth + 1"
            " && getComputedStyle(e).display !== 'inline').map(e => e.textContent)"
        )
        assert clipped == []
    assert window.run(f"[...document.querySelectorAll('label.name')].some(e => e.textContent.includes('{LONG}'))")
    ticks = window.run("document.querySelector('#confusion0 .yaxislayer-above').textContent")
    assert LONG.replace(" ", "") in ticks.replace(" ", "").replace("\xa0", "")


@needs_browser
def test_by_keyboard_and_for_a_screen_reader(window, page):
    window.open(page)
    seen = []
    for _ in range(20):
        window.key("Tab", 9)
        seen.append(window.run("document.activeElement.id || document.activeElement.name"))
    assert seen[:2] == ["", "theme"]  # the link past the plot comes first
    assert {"kind", "log", "band", "radius"} <= set(seen)
    window.run("document.getElementById('radius').focus()")
    before = window.run("document.getElementById('read').textContent")
    for _ in range(120):
        window.key("ArrowRight", 39)
    assert window.run("document.getElementById('read').textContent") != before
    assert window.run("document.getElementById('radius').getAttribute('aria-valuetext')") == "radius 0.120"
    nodes = window.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "checkbox", "radio", "slider", "image", "table", "link"}
    named = [
        (n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if "role" in n and not n["ignored"]
    ]
    assert roles <= {role for role, _ in named}
    assert [role for role, name in named if role in roles and not name.strip()] == []
