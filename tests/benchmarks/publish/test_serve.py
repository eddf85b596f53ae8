"""The service: answers of the recogniser, limits, guards, and nothing kept of pictures."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from benchmarks.publish.service import app as service
from benchmarks.publish.service.app import Settings, create_app
from benchmarks.publish.service.bodies import PICTURES
from benchmarks.publish.service.refusals import Places, Refused
from tests.helpers.bundles import CLASSES, FACTS, brightness, expected, write_bundle
from tests.helpers.serving import Client, running
from zoo.use import Recognizer
from zoo.use.face import Answer

TOKEN = "a-token-of-some-length"


def png(level: int, side: int = 48) -> bytes:
    """A picture of one grey level."""
    file = BytesIO()
    Image.new("RGB", (side, side), (level,) * 3).save(file, "PNG")
    return file.getvalue()


def level_of(expression: str) -> int:
    """The grey level that the small model takes for an expression."""
    return round(float(brightness()[CLASSES.index(expression)]))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture(scope="module")
def recognise(bundle: Path) -> Recognizer:
    return Recognizer(bundle, faces="cropped", threads=1)


@pytest.fixture(scope="module")
def client(recognise: Recognizer) -> Iterator[Client]:
    with running(create_app(recognise, Settings(mebibytes=0.5, megapixels=1), card="# The card")) as client:
        yield client


# Answers


def test_a_picture_is_answered_as_the_recogniser_answers_it(client: Client):
    answer = client.predict(png(level_of("happy")))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    (picture,) = answer.json["pictures"]
    (face,) = picture["faces"]
    assert (picture["picture"], picture["detector"], picture["error"]) == (1, "cropped", None)
    assert (face["expression"], face["abstained"], face["doubts"]) == ("happy", False, ["flat"])
    crop = np.full((1, 48, 48, 3), level_of("happy"), np.uint8)
    assert [face["probabilities"][name] for name in CLASSES] == pytest.approx(expected(crop)[0], abs=1e-4)
    assert face["box"] == {"left": 0, "top": 0, "width": 48, "height": 48}
    assert face["plausible"][0] == "happy" and face["pixels"] == 48


def test_a_form_of_several_pictures_keeps_their_order(client: Client):
    names = [CLASSES[number % 7] for number in range(PICTURES)]
    answer = client.form(*(png(level_of(name)) for name in names))
    assert answer.status == 200
    assert [one["faces"][0]["expression"] for one in answer.json["pictures"]] == names
    assert [one["picture"] for one in answer.json["pictures"]] == list(range(1, PICTURES + 1))


def test_one_bad_picture_of_several_has_a_reason(client: Client):
    answer = client.form(png(0), b"no picture", png(255))
    assert answer.status == 200
    errors = [one["error"] for one in answer.json["pictures"]]
    assert errors == [None, "the picture is no picture that Pillow knows", None]


def test_a_picture_without_a_face_is_an_answer(bundle: Path):
    class Blind(Recognizer):
        def many(self, pictures: Any, *args: Any, **kwargs: Any) -> Iterator[Answer]:
            yield from (Answer("bytes 0", [], "no_face", detector="blazeface") for _ in pictures)

    with running(create_app(Blind(bundle, "cropped"), Settings())) as client:
        (picture,) = client.predict(png(0)).json["pictures"]
    assert (picture["faces"], picture["error"], picture["detector"]) == ([], "no_face", "blazeface")


def test_it_abstains_where_it_is_asked_to_be_sure(client: Client):
    between = png(round(float(brightness()[3] + brightness()[4]) / 2))
    (asked,) = client.predict(between, query="?sure=0.9").json["pictures"]
    (face,) = asked["faces"]
    assert face["probability"] < FACTS.threshold(0.9)
    assert (face["expression"], face["abstained"]) == (None, True) and "unsure" in face["doubts"]
    for query, said in (("?sure=2", "sure must lie between"), ("?sure=0.95", "never known"), ("?sure=x", "sure: ")):
        refused = client.predict(between, query=query)
        assert refused.status == 422 and said in refused.json["error"]


def test_every_answer_has_a_number_of_its_own(client: Client):
    answers = [client.predict(png(0)), client.predict(b""), client.get("/nowhere"), client.get("/predict")]
    numbers = {answer.json["request_id"] for answer in answers}
    assert len(numbers) == 4
    assert all(answer.headers["x-request-id"] == answer.json["request_id"] for answer in answers)
    assert [answer.status for answer in answers] == [200, 415, 404, 405]
    assert answers[3].headers["allow"] == "POST"


# Limits


def truncated() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()[:1500]


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b"", "image/png", 415, "the body is empty"),
        (b"no picture", "image/png", 415, "is no picture that Pillow knows"),
        (truncated(), "image/jpeg", 415, "the picture is damaged or cut off"),
        (bytes(2**19 + 1), "image/png", 413, "larger than 0.5 MiB"),
        (png(0, 1001), "image/png", 413, "more than 1 megapixels"),
        (b'{"url": "file:///etc/passwd"}', "application/json", 415, "a body of the type application/json"),
        (b"url=http%3A%2F%2F127.0.0.1", "application/x-www-form-urlencoded", 415, "a body of the type "),
        (b"text", "text/plain", 415, "a body of the type text/plain"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x", 422, "the form"),
        (b"anything", "multipart/form-data", 422, "Missing boundary"),
    ],
)
def test_what_is_refused(client: Client, body: bytes, kind: str, status: int, said: str):
    answer = client.predict(body, kind)
    assert (answer.status, said in answer.json["error"]) == (status, True), answer.body
    assert not re.search(rb"0x[0-9a-f]{6}|/[a-z]+/[a-z]+\.py|<_io", answer.body), "nothing of our memory or files"


def test_forms_that_are_refused(client: Client):
    assert "Too many files" in client.form(*[png(0)] * (PICTURES + 1)).json["error"]
    named = client.form(b"/etc/passwd", filename="")
    assert named.status == 422 and "Too many fields" in named.json["error"], "no path, no address"
    empty = client.form()
    assert (empty.status, "has no files" in empty.json["error"]) == (422, True)
    assert client.form(b"no picture", b"neither").status == 415, "where none can be read, all are refused"


def test_a_body_without_a_length_is_cut_off_at_the_limit(client: Client):
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 1
            yield bytes(2**16)

    try:
        answer = client.send("POST", "/predict", endless(), Content_Type="image/png")
    except (BrokenPipeError, ConnectionResetError):
        return  # cut off before the last of it was sent
    assert answer.status == 413


def test_places_run_out_for_one_client_and_for_all():
    places = Places(most=2, most_of_one=1)
    with places.place("one"), pytest.raises(Refused) as refused, places.place("one"):
        pass
    assert (refused.value.status, refused.value.retry_after) == (429, 1)
    with places.place("one"), places.place("two"), pytest.raises(Refused) as refused, places.place("three"):
        pass
    assert (refused.value.status, places.count, dict(places.taken)) == (503, 0, {})


def test_who_comes_too_many_is_told_when_to_come_again(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    go_on = threading.Event()

    class Slow(Recognizer):
        def many(self, pictures: Any, *args: Any, **kwargs: Any) -> Iterator[Answer]:
            assert go_on.wait(20)
            return super().many(pictures, *args, **kwargs)

    monkeypatch.setattr(service, "REQUESTS", 3)
    monkeypatch.setattr(service, "OF_ONE_CLIENT", 3)
    with running(create_app(Slow(bundle, "cropped"), Settings())) as client, ThreadPoolExecutor(3) as pool:
        held = [pool.submit(client.predict, png(0)) for _ in range(3)]
        while "requests_in_progress 3" not in client.get("/metrics").body.decode():
            time.sleep(0.01)
        refused, ready = client.predict(png(0)), client.get("/readyz")
        go_on.set()
        assert [one.result().status for one in held] == [200] * 3
        assert (refused.status, refused.headers["retry-after"], ready.status) == (429, "1", 503)
        assert client.predict(png(0)).status == 200 and client.get("/readyz").status == 200


def test_many_clients_at_once_get_their_own_answers(client: Client):
    names = [CLASSES[number % 7] for number in range(64)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda name: client.predict(png(level_of(name))), names))
    assert {answer.status for answer in answers} == {200}
    assert [answer.json["pictures"][0]["faces"][0]["expression"] for answer in answers] == names


def test_an_error_of_the_recogniser_harms_no_other_request(bundle: Path):
    class Fragile(Recognizer):
        def many(self, pictures: Any, *args: Any, **kwargs: Any) -> Iterator[Answer]:
            if png(13) in pictures:
                raise RuntimeError("something at 0x7f0011223344")
            return super().many(pictures, *args, **kwargs)

    with running(create_app(Fragile(bundle, "cropped"), Settings())) as client:
        broken = client.predict(png(13))
        assert (broken.status, b"0x7f" in broken.body) == (500, False)
        assert broken.json["request_id"]
        assert client.predict(png(0)).status == 200


# What is told


def test_health_model_and_openapi(client: Client):
    assert [(client.get(path).status, client.get(path).body) for path in ("/healthz", "/readyz")] == [
        (200, b"ok\n"),
        (200, b"ready\n"),
    ]
    model = client.get("/model").json
    assert (model["title"], model["card"], model["classes"]) == ("brightness", "# The card", list(CLASSES))
    assert "does not know what a person feels" in model["limits"][0]
    described = client.get("/openapi.json").json
    assert set(described["paths"]) == {"/predict", "/healthz", "/readyz", "/metrics", "/model"}
    post = described["paths"]["/predict"]["post"]
    assert {"image/*", "multipart/form-data"} == set(post["requestBody"]["content"])
    assert {"200", "401", "413", "415", "422", "429", "503"} <= set(post["responses"])
    assert [client.get(path).status for path in ("/docs", "/redoc")] == [404, 404], "they load from elsewhere"


def test_metrics_count_requests_and_pictures(recognise: Recognizer):
    with running(create_app(recognise, Settings())) as client:
        client.form(png(0), png(255))
        client.predict(b"no picture")
        lines = client.get("/metrics").body.decode().splitlines()
    assert 'fer_ensembles_requests_total{status="200"} 1' in lines
    assert 'fer_ensembles_requests_total{status="415"} 1' in lines
    assert "fer_ensembles_faces_total 2" in lines and "fer_ensembles_pictures_total 3" in lines
    assert 'fer_ensembles_request_seconds_bucket{le="+Inf"} 2' in lines
    for line in lines:
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]+"\})? [0-9.e+-]+', line), line


def test_nothing_of_pictures_is_logged_or_written(
    recognise: Recognizer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def no_file(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a file for what was sent")

    monkeypatch.setattr(tempfile, "TemporaryFile", no_file)
    app = create_app(recognise, Settings())
    with caplog.at_level(logging.INFO, "fer-ensembles.serve"), running(app) as client:
        large = np.zeros((1200, 1200), dtype=np.uint8)  # from 1 MiB on, a form would go to the disk by default
        file = BytesIO()
        Image.fromarray(large).save(file, "BMP")
        client.form(file.getvalue(), filename="my-secret-holiday.png")
        client.get("/my/secret/path?token=secret")
    lines = [record.getMessage() for record in caplog.records]
    pattern = r"POST /predict 200 id=\w{32} bytes=1441078 pictures=1 faces=1 ms=\d+"
    assert len(lines) == 2 and re.fullmatch(pattern, lines[0]), lines
    assert lines[1].startswith("GET (other) 404 ") and "secret" not in "".join(lines)


# Who may ask


def test_with_a_token_nothing_answers_without(recognise: Recognizer):
    with running(create_app(recognise, Settings(token=TOKEN, names=None))) as client:
        guarded = ("/metrics", "/model", "/openapi.json")
        assert [client.get(path).status for path in guarded] == [401] * 3
        assert client.get("/healthz").status == 200
        refused = client.predict(png(0), Authorization="Bearer wrong")
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert client.predict(png(0), Authorization=f"Bearer {TOKEN}").status == 200


def test_a_name_that_someone_else_gave_this_machine_is_not_answered(client: Client):
    assert client.get("/healthz", Host="evil.example").status == 421
    assert client.predict(png(0), Host="evil.example:8000").status == 421
    assert client.get("/healthz", Host="localhost:8000").status == 200
    assert client.get("/healthz", Host="[::1]:8000").status == 200


def test_the_page_is_served_beside(recognise: Recognizer, tmp_path: Path):
    (tmp_path / "index.html").write_text("the page")
    with running(create_app(recognise, Settings(page=tmp_path, token=TOKEN))) as client:
        assert client.get("/").body == b"the page" and client.get("/none.js").status == 404
        assert client.get("/..%2f..%2fetc%2fpasswd").status == 404
        assert client.get("/model").status == 401
    assert os.listdir(tmp_path) == ["index.html"]
