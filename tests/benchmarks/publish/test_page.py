"""The page's folder: what is in it, what it says, and that it is written whole or not at all."""

from __future__ import annotations

import io
import json
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.publish import runtime, web
from benchmarks.publish.documents import Link, document
from benchmarks.publish.limits import LIMITS
from benchmarks.report.page.render import render
from tests.helpers.bundles import FACTS, write_bundle
from zoo.use.errors import NoModel

EVIL = "<script>alert('1')</script>"


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "detector", lambda: b"a face detector")


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """What the package of onnxruntime-web holds, as far as the page needs it."""
    dist = tmp_path / "package" / "dist"
    dist.mkdir(parents=True)
    (dist.parent / "package.json").write_text('{"version": "1.99.0"}')
    (dist / runtime.SCRIPT).write_text("export const env = {};")
    (dist / runtime.WASM).write_bytes(b"\0asm")
    return dist.parent


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "model.onnx")


def written(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_has_all_that_its_files_name(tmp_path: Path, bundle: Path, unpacked: Path):
    index = web.write_web_folder(bundle, tmp_path / "page", unpacked)
    files = written(index.parent)
    assert files["expression.onnx"] == bundle.read_bytes()
    named: set[str] = set()
    for name, content in files.items():
        if name.endswith((".js", ".html")) and "/" not in name:
            named |= set(re.findall(r'(?:from |src=|href=|import\(|boundWorker\()"\.?/?([\w./]+)"', content.decode()))
    described = json.loads(files["model.json"])
    named |= {described[key]["file"] for key in ("model", "detector", "runtime")}
    assert named <= files.keys()
    assert files.keys() - named == {"index.html", "model.json", "licences.txt"} - named
    assert all(
        described[key]["bytes"] == len(files[described[key]["file"]]) for key in ("model", "detector", "runtime")
    )


def test_nothing_names_another_host(tmp_path: Path, bundle: Path, unpacked: Path):
    folder = web.write_web_folder(bundle, tmp_path / "page", unpacked).parent
    for name, content in written(folder).items():
        if name.endswith((".js", ".css", ".html", ".json")):
            text = content.decode().replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?://|//[\w-]+\.\w", text), name


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, bundle: Path, unpacked: Path):
    one, other = (web.write_web_folder(bundle, tmp_path / name, unpacked).parent for name in ("one", "other"))
    assert written(one) == written(other)


def test_it_says_what_the_model_says_of_itself(tmp_path: Path, unpacked: Path):
    facts = replace(FACTS, title="a small model", accuracy={"test": 0.7166, "interval": [0.702, 0.731]})
    bundle = write_bundle(tmp_path / "model.onnx", facts)
    text = web.write_web_folder(bundle, tmp_path / "page", unpacked).read_text()
    assert "a small model" in text and "71.7 %, 95 % interval 70.2 to 73.1" in text and "one of seven words" in text
    assert '<option value="0.80" selected>only if 8 of 10 are right</option>' in text
    assert all(paragraph in text for paragraph in LIMITS)
    bare = write_bundle(tmp_path / "bare.onnx", replace(facts, accuracy={}, thresholds={}, conformal={}))
    text = web.write_web_folder(bare, tmp_path / "bare", unpacked).read_text()
    assert "interval" not in text and text.count("<option") == 1


def test_limits_name_the_data_that_a_model_learnt_from(tmp_path: Path, unpacked: Path):
    bundle = write_bundle(tmp_path / "model.onnx", replace(FACTS, suite="kdef", classes=("happy", "sad")))
    text = web.write_web_folder(bundle, tmp_path / "page", unpacked).read_text()
    assert "which of 2 posed-expression words" in text and "elsewhere than on kdef is unknown" in text


def test_what_a_model_says_is_escaped(tmp_path: Path, unpacked: Path):
    bundle = write_bundle(tmp_path / "model.onnx", replace(FACTS, title=EVIL, suite=EVIL))
    bundle.with_name("README.md").write_text(f"# Card\n\n{EVIL}\n")
    folder = web.write_web_folder(bundle, tmp_path / "page", unpacked).parent
    assert all(EVIL not in (folder / name).read_text() for name in ("index.html", "card.html"))


def test_a_card_beside_the_model_is_a_page(tmp_path: Path, bundle: Path, unpacked: Path):
    bundle.with_name("README.md").write_text(
        "---\nlicense: mit\n---\n# The card\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n"
    )
    folder = web.write_web_folder(bundle, tmp_path / "page", unpacked).parent
    card = (folder / "card.html").read_text()
    assert (
        '<h1 id="the-card">The card</h1>' in card and "license: mit" not in card and '<td class="number">2</td>' in card
    )
    assert 'href="card.html"' in (folder / "index.html").read_text()


def test_links_of_documents(tmp_path: Path):
    text = document(
        "A story", "![chart](figures/a.png)\n<!-- a mark -->\n", [Link("Home", "../index.html")], root="../"
    )
    assert 'src="figures/a.png"' in text and 'href="../index.html"' in text and 'href="../style.css"' in text
    assert "a mark" not in text and "style=" not in text


def test_the_page_and_the_leaderboards_have_one_look():
    frame = (web.TEMPLATES / "frame.css").read_text()
    assert frame in web.looks()["style.css"].decode()
    assert frame in render("index.html", title="Results", cards=[], links={})


# onnxruntime-web


def archive(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        packed.add(folder, "package")
    return path


def test_the_runtime_may_be_an_archive_or_either_folder(tmp_path: Path, unpacked: Path):
    expected = {"ort.wasm.bundle.min.js", "ort-wasm-simd-threaded.wasm"}
    for source in (unpacked, unpacked / "dist", archive(unpacked, tmp_path / "runtime.tgz")):
        assert runtime.files(source).keys() == expected
        assert runtime.version(source) == "1.99.0"


def test_an_archive_that_leads_elsewhere_is_not_followed(tmp_path: Path, unpacked: Path):
    packed = tmp_path / "evil.tgz"
    with tarfile.open(packed, "w:gz") as made:
        entry = tarfile.TarInfo(f"../{runtime.SCRIPT}")
        entry.size = 4
        made.addfile(entry, io.BytesIO(b"evil"))
    with pytest.raises(runtime.NoRuntime):
        runtime.files(packed)
    assert not (tmp_path.parent / runtime.SCRIPT).exists()


def test_nothing_is_written_where_something_is_missing(
    tmp_path: Path, bundle: Path, unpacked: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "page"
    with pytest.raises(NoModel, match="there is no model to be read"):
        web.write_web_folder(tmp_path / "none.onnx", out, unpacked)
    (unpacked / "dist" / runtime.WASM).unlink()
    with pytest.raises(runtime.NoRuntime, match=r"has no ort-wasm-simd-threaded\.wasm; .*--runtime FILE"):
        web.write_web_folder(bundle, out, unpacked)
    (tmp_path / "broken.tgz").write_bytes(b"no archive")
    with pytest.raises(runtime.NoRuntime, match=r"broken\.tgz: is no archive of npm .*--runtime FILE"):
        web.write_web_folder(bundle, out, tmp_path / "broken.tgz")
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        runtime.NoRuntime, match=r"onnxruntime-web is fetched by npm, which is not here; .*--runtime FILE"
    ):
        web.write_web_folder(bundle, out)
    assert not out.exists()


def test_a_kept_archive_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    kept = tmp_path / "weights" / f"{runtime.PACKAGE}-{runtime.VERSION}.tgz"
    kept.parent.mkdir()
    kept.write_bytes(b"something else")
    with pytest.raises(runtime.NoRuntime, match=r"its sha256 is .*, recorded is"):
        runtime.files(None)
