"""The results as a static site: boards, stories and the page to try the model, with the page for all suites in front.

    python -m benchmarks.publish.site FOLDER [--results results] [--runtime PATH]

The hosted workflow publishes it after every push. Markdown becomes pages (README.md, the story of a suite, is
story.html), and what a board can be computed from anew, the predictions, stays in the repository.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.files import write_atomic
from benchmarks.publish.documents import Link, document, page_name
from benchmarks.publish.web import looks, write_web_folder
from benchmarks.report.page.index import index
from benchmarks.results import read_results

PUBLISHED = (".csv", ".html", ".json", ".md", ".png", ".tex", ".bib")
LEFT_OUT = ("predictions", "model", "checkpoints", "local")  # folders
MODEL = Path("fer2013") / "model" / "expression.onnx"
DEMO = "try"


def main(argv: list[str] | None = None) -> int:
    """Write the site; return 0, or 2 where something is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publish.site", description=main.__doc__)
    parser.add_argument("out", metavar="FOLDER", type=Path)
    parser.add_argument("--results", metavar="DIR", type=Path, default=Path("results"))
    parser.add_argument("--runtime", metavar="PATH", type=Path, help="onnxruntime-web; by default npm fetches it")
    arguments = parser.parse_args(argv)
    try:
        front = write_site(arguments.results, arguments.out, arguments.runtime)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{front}, {sum(path.is_file() for path in arguments.out.rglob('*'))} files")
    return 0


def write_site(results: Path, out: Path, runtime: Path | None = None) -> Path:
    """Write the site of a folder of results and return the path of its front page.

    The page to try the model is there where the model is. Raises ValueError where there are no results, and what
    write_web_folder raises.
    """
    suites = list(_suites(results))
    if not suites:
        raise ValueError(f"{results}: holds no results of a suite")
    links = {}
    if (results / MODEL).is_file():
        write_web_folder(results / MODEL, out / DEMO, runtime, home="../index.html")
        links["Try it"] = f"{DEMO}/index.html"
    for name, content in looks().items():
        write_atomic(out / name, content)
    for suite, title in suites:
        _copy(results / suite, out / suite, title)
        if (out / suite / "story.html").is_file():
            links[f"Story of {title}"] = f"{suite}/story.html"
    if (results / "speed.md").is_file():
        _copy(results / "speed", out / "speed", "Speed")
        _write_page(results / "speed.md", out / "speed.html", "Speed", "")
        links["Speed"] = "speed.html"
    write_atomic(out / "index.html", index(results, links))
    return out / "index.html"


def _suites(results: Path) -> Iterator[tuple[str, str]]:
    """Folder and title of each suite that has results, rehearsals left out."""
    for path in sorted(results.glob("*/results.json")):
        found = read_results(path)
        if not found["rehearsal"]:
            yield path.parent.name, found["title"]


def _copy(source: Path, target: Path, title: str) -> None:
    """Copy what is published of a folder, with a page for each file of markdown, and a list where there is no front."""
    files = [path for path in sorted(source.rglob("*")) if path.is_file() and path.suffix in PUBLISHED]
    shown = [path for path in files if not set(path.relative_to(source).parts[:-1]) & set(LEFT_OUT)]
    for path in shown:
        write_atomic(target / path.relative_to(source), path.read_bytes())
        if path.suffix == ".md" and path.parent == source:
            _write_page(path, target / page_name(path.name), title, "../")
    if not (target / "index.html").is_file():
        text = f"# {title}: files\n\n" + "\n".join(f"- [{path.name}]({path.name})" for path in shown)
        write_atomic(target / "index.html", document(title, text, [Link("All suites", "../index.html")], "../"))


def _write_page(markdown: Path, path: Path, title: str, root: str) -> None:
    links = [Link("All suites", f"{root}index.html")]
    if root:
        links.append(Link("Ranking", "index.html"))
    write_atomic(path, document(title, markdown.read_text(encoding="utf-8"), links, root))


if __name__ == "__main__":
    sys.exit(main())
