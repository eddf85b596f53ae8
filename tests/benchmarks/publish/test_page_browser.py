"""The page in a browser: its answers are those of the Python package, nothing leaves it, and anyone can use it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks.publish import runtime, web
from tests.helpers import photographs, webdriver
from tests.helpers.bundles import CLASSES, FACTS, write_random_bundle
from tests.helpers.static_site import Site, served
from tests.helpers.webdriver import Browser
from zoo.pretrained.packages import cache_folder, find
from zoo.use import Recognizer

ARCHIVE = cache_folder() / f"{runtime.PACKAGE}-{runtime.VERSION}.tgz"
pytestmark = [
    pytest.mark.skipif(webdriver.BROWSER is None or webdriver.DRIVER is None, reason="needs chromium and chromedriver"),
    pytest.mark.skipif(find(web.NETWORK) is None, reason="needs BlazeFace: python -m zoo.pretrained"),
    pytest.mark.skipif(not ARCHIVE.is_file(), reason="needs onnxruntime-web, which an export of the page fetches"),
]
TAB, ENTER, ESCAPE, SPACE = "\ue004", "\ue007", "\ue00c", " "
STATE = "return document.documentElement.dataset.state"
ANSWERED = "return document.querySelectorAll('.picture[aria-busy=false]').length"
FACES = """
return [...document.querySelectorAll('.picture')].reverse().map((picture) => ({
  name: picture.querySelector('h2').textContent,
  note: picture.querySelector('.none, .failed-picture').textContent,
  boxes: [...picture.querySelectorAll('.box')].map((box) => box.dataset.box.split(' ').map(Number)),
  probabilities: [...picture.querySelectorAll('.face')].map((face) =>
    [...face.querySelectorAll('[data-probability]')].map((bar) => Number(bar.dataset.probability))),
  words: [...picture.querySelectorAll('h3')].map((heading) => heading.children[1].textContent),
  said: [...picture.querySelectorAll('.face p:first-of-type')].map((sentence) => sentence.textContent),
}));
"""
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_bundle(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture(scope="module")
def site(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("page")
    web.write_web_folder(bundle, folder, ARCHIVE)
    with served(folder) as site:
        yield site


@pytest.fixture(scope="module")
def window(site: Site) -> Iterator[Browser]:
    with webdriver.browser(*FAKE_CAMERA) as opened:
        opened.prefer("light")
        opened.open(site.address)
        assert opened.settled(STATE, "ready", 60) == "ready", opened.run("return document.body.innerText")
        yield opened


@pytest.fixture
def page(window: Browser) -> Iterator[Browser]:
    """The page as it is before a picture is shown; it may not complain."""
    yield window
    assert window.complaints() == []
    while window.run("return document.querySelectorAll('.picture').length"):
        window.click(".picture header button")
    window.run("const s = document.getElementById('sure'); s.value = '0.80'; s.dispatchEvent(new Event('change'))")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A portrait as it is, leaning, and so on; a crop; a flower; and another portrait, where there is one."""
    folder = tmp_path_factory.mktemp("pictures")
    hopper = photographs.image("grace_hopper")
    hopper.rotate(25, resample=Image.Resampling.BICUBIC, expand=True).save(folder / "leaning.png")
    (folder / "turned.jpg").write_bytes(photographs.stored_turned(hopper, 6, "JPEG", quality=95))
    with_alpha = hopper.convert("RGBA")
    with_alpha.putalpha(Image.linear_gradient("L").resize(hopper.size).point(lambda level: 255 - level // 4))
    with_alpha.save(folder / "transparent.png")
    hopper.crop((150, 110, 390, 350)).resize((200, 200)).save(folder / "filling.png")
    panorama = Image.new("RGB", (1900, 480), (90, 110, 120))
    panorama.paste(hopper.resize((320, 375)), (1300, 60))
    panorama.save(folder / "panorama.png")
    hopper.crop((150, 110, 390, 350)).convert("L").resize((48, 48)).save(folder / "crop.png")
    more = [photographs.path("flower")]
    with suppress(pytest.skip.Exception):  # of a package that not every environment has
        more.append(photographs.path("astronaut"))
    made = ("leaning.png", "turned.jpg", "transparent.png", "filling.png", "panorama.png", "crop.png")
    paths = [photographs.path("grace_hopper"), *(folder / name for name in made), *more]
    return {path.name: path for path in paths}


def shown(page: Browser, *paths: Path) -> list[dict[str, Any]]:
    """What the page says of pictures."""
    page.choose("#files", *paths)
    assert page.settled(ANSWERED, len(paths), 30) == len(paths)
    return page.run(FACES)


def test_its_answers_are_those_of_the_package(page: Browser, bundle: Path, pictures: dict[str, Path]):
    recognise = Recognizer(bundle, threads=1)
    found = shown(page, *pictures.values())
    assert [one["name"] for one in found] == list(pictures)
    for path, there in zip(pictures.values(), found, strict=True):
        here = recognise(path)
        assert len(there["boxes"]) == len(here) == (0 if path.name == "flower.jpg" else 1), path.name
        for face, box, probabilities in zip(here, there["boxes"], there["probabilities"], strict=True):
            assert box == pytest.approx(face.box, abs=1), path.name
            assert probabilities == pytest.approx([face.probabilities[name] for name in CLASSES], abs=0.01), path.name
    assert found[list(pictures).index("flower.jpg")]["note"].startswith("No face was found.")


def test_nothing_leaves_the_page(page: Browser, site: Site, pictures: dict[str, Path]):
    before = list(site.requests)
    assert {method for method, _ in before} == {"GET"} and len(before) == len(set(before))
    shown(page, pictures["grace_hopper.jpg"], pictures["crop.png"])
    assert site.requests == before, "pictures ask for nothing more"
    loaded = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith((site.address, "blob:", "data:")) for name in loaded)


SEND = "fetch(data, {method: 'POST', body: 'pixels', mode: 'no-cors'}).then(() => 'sent', () => 'refused')"
BY_THE_WORKER = """
return import(new URL("app.js", location.href)).then(({ boundWorker }) => new Promise((resolve) => {
  const spy = boundWorker("spy.js");
  spy.onmessage = ({ data }) => resolve(data);
  spy.onerror = (event) => resolve(event.message);
  spy.postMessage(arguments[0]);
}));
"""


@pytest.mark.parametrize("script", [f"const [data] = arguments; return {SEND};", BY_THE_WORKER], ids=["page", "worker"])
def test_the_browser_forbids_uploads(window: Browser, site: Site, tmp_path: Path, script: str):
    (site.folder / "spy.js").write_text(f"onmessage = ({{ data }}) => {SEND}.then(postMessage);")
    with served(tmp_path) as elsewhere:
        assert window.run(script, elsewhere.address) == "refused"
        assert elsewhere.requests == []
    assert any("Content Security Policy" in line for line in window.complaints())


def test_it_says_when_it_is_not_sure(page: Browser, pictures: dict[str, Path]):
    (answer,) = shown(page, pictures["grace_hopper.jpg"])
    top = max(answer["probabilities"][0])
    choose = "const s = document.getElementById('sure'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))"
    for share, least in (("", 0.0), ("0.80", FACTS.threshold(0.8)), ("0.90", FACTS.threshold(0.9))):
        page.run(choose, share)
        (again,) = page.run(FACES)
        unsure = top < least
        assert (again["words"] == ["not sure"]) == unsure
        assert again["said"][0].startswith(("It could be ", "If a word") if unsure else ("Also plausible", "No other"))


def test_what_is_no_picture_gets_a_sentence(page: Browser, tmp_path: Path):
    (tmp_path / "notes.png").write_text("no picture")
    (answer,) = shown(page, tmp_path / "notes.png")
    assert answer["note"].startswith("This browser cannot read it")
    assert "notes.png" in page.run("return document.getElementById('status').textContent")


def test_pictures_can_be_dropped(page: Browser, pictures: dict[str, Path]):
    script = """
        const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
        const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
        document.getElementById("drop").dispatchEvent(drop);
    """
    page.run(script, base64.b64encode(pictures["crop.png"].read_bytes()).decode())
    assert page.settled(ANSWERED, 1, 20) == 1
    assert page.run(FACES)[0]["name"] == "dropped.png"


def test_the_camera_is_followed_and_stopped(page: Browser):
    page.click("#camera")
    seen = "const v = document.querySelector('.picture'); return v !== null && Number(v.dataset.milliseconds) > 0"
    assert page.settled(seen, True, 20)
    assert page.run("return document.querySelector('.stage').className") == "stage mirrored"
    page.run("window.track = document.querySelector('video').srcObject.getTracks()[0]")
    page.click(".picture header button")
    assert page.run("return [window.track.readyState, document.querySelectorAll('video').length]") == ["ended", 0]


# Anyone


def test_everything_is_reached_by_keys(page: Browser, pictures: dict[str, Path]):
    shown(page, pictures["crop.png"])
    first = page.run(
        "const e = document.querySelector('a, button, input, select, [tabindex]'); e.focus(); return e.className"
    )
    assert first == "skip"
    reached = []
    for _ in range(8):
        page.press(TAB)
        reached.append(page.run("const e = document.activeElement; return e.id || e.ariaLabel || e.textContent"))
    skipped = ["What it must not be used for", "files", "camera", "sure", "Remove crop.png"]
    assert reached[:7] == ["Card and limits", "theme", *skipped]
    page.run("document.querySelector('[data-opens]').focus()")
    page.press(ENTER)
    assert page.run("return document.querySelector('dialog[open] h2').textContent") == "Card and limits"
    page.press(ESCAPE)
    assert page.run("return document.querySelectorAll('dialog[open]').length") == 0


def test_everything_has_a_name_for_those_who_hear_the_page(page: Browser, pictures: dict[str, Path]):
    shown(page, pictures["grace_hopper.jpg"])
    nameless = """
        const named = 'button, input, select, a, img, video, progress, section, dialog, nav, ul.bars';
        return [...document.querySelectorAll(named)].filter((e) => !(e.ariaLabel || e.getAttribute('alt')
          || e.textContent.trim() || e.labels?.length || e.getAttribute('aria-labelledby'))).map((e) => e.outerHTML);
    """
    assert page.run(nameless) == []
    levels = page.run("return [...document.querySelectorAll('main :is(h1, h2, h3)')].map((h) => Number(h.tagName[1]))")
    assert levels == [1, 2, 3]
    status = page.run("return document.getElementById('status').textContent")
    assert status.startswith("grace_hopper.jpg: 1 face: ")
    assert page.run("return document.getElementById('status').getAttribute('role')") == "status"
    bars = page.run("return document.querySelector('.bars li').innerText.split('\\n')")
    assert bars[0] == "angry" and bars[-1].endswith("%")


FAINT = """
const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const linear = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
const light = (colour) => {
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
  return a === 0 ? null : 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
};
const behind = (e) => light(getComputedStyle(e).backgroundColor) ?? behind(e.parentElement);
return [...document.querySelectorAll('main :is(p, h1, h2, h3 span, li span, button, label, select)')]
  .filter((e) => e.textContent.trim() && e.checkVisibility()).map((e) => {
    const [one, other] = [light(getComputedStyle(e).color), behind(e)].sort((p, q) => q - p);
    return [(one + 0.05) / (other + 0.05), e.textContent.trim().slice(0, 30)];
  }).filter(([contrast]) => contrast < 4.5);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out(page: Browser, pictures: dict[str, Path], scheme: str):
    page.prefer(scheme)
    shown(page, pictures["grace_hopper.jpg"])
    assert page.run(FAINT) == []
    page.prefer("light")


@pytest.mark.parametrize("width", [380, 1280])
def test_nothing_is_wider_than_the_screen(page: Browser, pictures: dict[str, Path], width: int):
    page.resize(width)
    shown(page, pictures["grace_hopper.jpg"], pictures["crop.png"])
    beyond = "return document.documentElement.scrollWidth - innerWidth"
    assert page.run(beyond) <= 0
    page.click("[data-opens]")
    assert page.run(beyond) <= 0
    page.press(ESCAPE)
    page.resize(1440)
