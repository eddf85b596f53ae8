"""Objects of several writers: what is new is created once, what is there replaced by who knows its version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.files import SUCCESSOR, machine
from benchmarks.store.claims import EXPIRES, Claims, remove_given_up
from benchmarks.store.mirror import Mirror, address_of, mirror_of, mirrored
from benchmarks.store.objects import Bucket, CannotReach, Folder, ObjectStore, check_conditions
from tests.helpers.buckets import BUCKET, careless_server, credentials, s3_server

WRITERS = 8


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    pytest.importorskip("obstore")
    pytest.importorskip("moto.server")
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An empty one."""
    if request.param == "folder":
        return Folder(tmp_path)
    for name, value in credentials(request.getfixturevalue("endpoint")).items():
        monkeypatch.setenv(name, value)
    return Bucket(f"{BUCKET}/{tmp_path.name}")


def test_a_store_keeps_its_conditions(store: ObjectStore):
    check_conditions(store)
    assert store.list("") == {}, "the check leaves nothing"


def test_what_is_created_stays_and_what_is_replaced_is_named_by_its_version(store: ObjectStore):
    first = store.create("a/b@c+d.s0.1", b"one")
    assert first and store.create("a/b@c+d.s0.1", b"two") is None
    second = store.replace("a/b@c+d.s0.1", b"three", first)
    assert second and store.replace("a/b@c+d.s0.1", b"four", first) is None
    assert store.read("a/b@c+d.s0.1") == (b"three", second)
    assert store.replace("a/b@c+d.s0.1", b"five", None)
    store.delete("a/b@c+d.s0.1")
    store.delete("a/b@c+d.s0.1")
    assert store.read("a/b@c+d.s0.1") is None
    assert store.replace("a/b@c+d.s0.1", b"six", second) is None, "nor does it come back"


def test_a_listing_is_by_the_beginnings_of_names(store: ObjectStore):
    for name in ("a/m.s0.1", "a/m.s0.22", "a/m.s00.1", "a/n", "b/m.s0.1", "c"):
        store.create(name, name.encode())
    assert list(store.list("a/m.s0.")) == ["a/m.s0.1", "a/m.s0.22"]
    assert list(store.list("a/")) == ["a/m.s0.1", "a/m.s0.22", "a/m.s00.1", "a/n"]
    assert len(store.list("")) == 6
    assert store.list("a/m.s0.22")["a/m.s0.22"].size == len("a/m.s0.22")
    assert store.list("nothing/") == {}


def test_one_of_several_writers_creates_and_one_replaces(store: ObjectStore):
    with ThreadPoolExecutor(WRITERS) as pool:
        created = list(pool.map(lambda number: store.create("once", b"%d" % number), range(WRITERS)))
    assert sum(tag is not None for tag in created) == 1
    (tag,) = filter(None, created)
    with ThreadPoolExecutor(WRITERS) as pool:
        replaced = list(pool.map(lambda number: store.replace("once", b"%d!" % number, tag), range(WRITERS)))
    assert sum(tag is not None for tag in replaced) == 1
    found = store.read("once")
    assert found is not None and found[0] == b"%d!" % next(number for number, tag in enumerate(replaced) if tag)


def test_a_server_that_ignores_conditions_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    pytest.importorskip("obstore")
    with careless_server() as endpoint:
        for name, value in credentials(endpoint).items():
            monkeypatch.setenv(name, value)
        mirror = Mirror(tmp_path, Bucket(BUCKET))
        (tmp_path / "digits" / "predictions").mkdir(parents=True)
        (tmp_path / "digits" / "predictions" / "m.s0.1.safetensors").write_bytes(b"")
        with pytest.raises(CannotReach, match=r"ignores conditions \(If-None-Match\)"):
            mirror.put_member("digits", "m.s0.1")
        assert Bucket(BUCKET).read("digits/predictions/m.s0.1.safetensors") is None, "nothing was written"


def test_a_bucket_that_is_not_there_is_told_of(endpoint: str, monkeypatch: pytest.MonkeyPatch):
    for name, value in credentials(endpoint).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CannotReach, match=r"s3://nobody/results: .* Is the address right"):
        Bucket("s3://nobody/results").list("digits/")


def test_a_thousand_members_are_listed_in_three_seconds(endpoint: str, monkeypatch: pytest.MonkeyPatch):
    for name, value in credentials(endpoint).items():
        monkeypatch.setenv(name, value)
    from moto.backends import get_backend

    bucket = get_backend("s3")["123456789012"]["aws"]
    for number in range(1000):
        bucket.put_object("bucket", f"many/digits/predictions/member.s{number}.0123.safetensors", b"")
    began = time.process_time()  # the server's, too: another process may have the core meanwhile
    assert len(Bucket("s3://bucket/many").list("digits/predictions/")) == 1000
    assert time.process_time() - began < 3


@pytest.fixture
def shared(tmp_path: Path) -> tuple[Mirror, Mirror]:
    """Two machines' folders of one bucket, which is a folder itself."""
    bucket = Folder(tmp_path / "bucket")
    return Mirror(tmp_path / "one", bucket), Mirror(tmp_path / "two", bucket)


def put(mirror: Mirror, name: str, content: bytes) -> Path:
    path = mirror.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


MEMBER, WEIGHTS = "digits/predictions/m.s0.1.safetensors", "digits/checkpoints/m.s0.1.weights.safetensors"


def test_the_first_to_put_a_member_has_trained_it(shared: tuple[Mirror, Mirror]):
    one, two = shared
    for mirror, content in ((one, b"first"), (two, b"second")):
        for name in (MEMBER, WEIGHTS, MEMBER.replace(".safetensors", ".csv")):
            put(mirror, name, content)
    assert one.put_member("digits", "m.s0.1")
    assert not two.put_member("digits", "m.s0.1")
    assert [(two.folder / name).read_bytes() for name in (MEMBER, WEIGHTS)] == [b"first", b"first"]
    assert two.put_member("digits", "m.s0.1"), "it is the same now"


def test_what_others_have_changed_or_removed_comes_by_one_listing(shared: tuple[Mirror, Mirror]):
    one, two = shared
    put(one, MEMBER, b"first")
    assert one.put_member("digits", "m.s0.1")
    own = put(two, "digits/predictions/n.s0.1.safetensors", b"not put yet")
    two.fetch("digits/")
    assert (two.folder / MEMBER).read_bytes() == b"first"
    put(one, MEMBER, b"trained anew")
    assert one.put_member("digits", "m.s0.1")
    two.fetch("digits/")
    assert (two.folder / MEMBER).read_bytes() == b"trained anew"
    (two.folder / MEMBER).unlink()
    two.fetch("digits/")
    assert (two.folder / MEMBER).is_file(), "what is missing here comes again"
    one.store.delete(MEMBER)
    two.fetch("digits/")
    assert not (two.folder / MEMBER).exists() and own.is_file()
    two.put_new("digits")
    assert list(one.store.list("digits/")) == ["digits/predictions/n.s0.1.safetensors"]


def test_who_replaces_what_another_has_replaced_takes_that_over(shared: tuple[Mirror, Mirror]):
    one, two = shared
    put(one, "targets", b"labels")
    assert one.put_changed("targets")
    two.fetch("targets")
    for mirror, content in ((one, b"labels, rows"), (two, b"labels, groups")):
        put(mirror, "targets", content)
    assert one.put_changed("targets") and not two.put_changed("targets")
    assert (two.folder / "targets").read_bytes() == b"labels, rows"


def test_a_state_goes_and_comes_and_is_removed_with_the_end(shared: tuple[Mirror, Mirror]):
    one, two = shared
    one.put_state(put(one, "digits/checkpoints/m.s0.1.pt", b"epoch 1"))
    one.put_state(put(one, "digits/checkpoints/m.s0.1.pt", b"epoch 2"))
    two.fetch_member("digits", "m.s0.1")
    assert (two.folder / "digits/checkpoints/m.s0.1.pt").read_bytes() == b"epoch 2"
    put(two, MEMBER, b"done")
    assert two.put_member("digits", "m.s0.1")
    assert list(one.store.list("digits/checkpoints/")) == []
    one.fetch_member("digits", "m.s0.1")
    assert not (one.folder / "digits/checkpoints/m.s0.1.pt").exists()


def test_reports_are_put_where_they_have_changed(shared: tuple[Mirror, Mirror]):
    one, two = shared
    for mirror in shared:
        put(mirror, "digits/figures/scores.png", b"png")
        put(mirror, "digits/local/last_run.json", b"{}")
        mirror.put_reports("digits")
    assert list(one.store.list("")) == ["digits/figures/scores.png"], "what is of one machine stays there"
    put(two, "digits/figures/scores.png", b"other png")
    two.put_reports("digits")
    found = one.store.read("digits/figures/scores.png")
    assert found is not None and found[0] == b"other png", "the last run's"


def test_an_address_has_a_folder_and_other_addresses_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    folder = mirrored("s3://bucket/results/")
    assert folder == mirrored("s3://bucket/results") != mirrored("s3://bucket/other")
    assert address_of(folder) == "s3://bucket/results" and mirror_of(tmp_path) is None
    with pytest.raises(ValueError, match=r"ftp://bucket: results lie in a folder, or at s3://, gs://, az://"):
        mirrored("ftp://bucket")


def claim_of(store: ObjectStore, **changed: object) -> None:
    claim = {"host": "elsewhere", "machine": "elsewhere", "process": 7, "since": time.time(), "renewed": time.time()}
    store.replace("checkpoints/m.s0.1.claim", json.dumps(claim | changed).encode(), None)


def test_a_claim_holds_until_it_is_let_go(store: ObjectStore):
    with Claims(store, "checkpoints") as mine:
        assert mine.take("m.s0.1") is None and mine.take("m.s0.1") is None
        with Claims(store, "checkpoints") as other:
            holder = other.take("m.s0.1")
            assert holder and f"(process {os.getpid()}) since " in holder
            mine.release("m.s0.1")
            assert other.take("m.s0.1") is None
        assert store.list("checkpoints/") == {}, "all are let go of at the end"


@pytest.mark.parametrize(
    ("changed", "is_over"),
    [
        ({}, False),
        ({"renewed": time.time() - EXPIRES - 60}, True),
        ({"machine": machine(), "process": 2**22 + 1}, True),
        ({"machine": machine(), "process": os.getppid()}, False),
        ({"machine": "a container with the same name", "process": 2**22 + 1}, False),
        ({"renewed": "yesterday"}, True),
    ],
)
def test_a_claim_is_over_where_it_is_old_or_its_process_gone(tmp_path: Path, changed: dict, is_over: bool):
    store = Folder(tmp_path)
    claim_of(store, **changed)
    with Claims(store, "checkpoints") as claims:
        assert (claims.take("m.s0.1") is None) is is_over


def test_claims_that_are_over_are_removed_and_others_stay(tmp_path: Path):
    store = Folder(tmp_path)
    claim_of(store, machine=machine(), process=2**22 + 1)
    remove_given_up(tmp_path / "checkpoints")
    assert store.read("checkpoints/m.s0.1.claim") is None
    claim_of(store)
    remove_given_up(tmp_path / "checkpoints")
    assert store.read("checkpoints/m.s0.1.claim") is not None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells")
def test_a_claim_of_one_that_was_killed_is_over_before_anybody_waits_for_it(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as holder:
        claim_of(Folder(tmp_path), machine=machine(), process=holder.pid)
        with Claims(Folder(tmp_path), "checkpoints") as claims:
            assert claims.take("m.s0.1")
            holder.kill()
            os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
            assert claims.take("m.s0.1") is None


def test_a_claim_is_renewed_and_one_that_was_lost_is_not_removed(tmp_path: Path):
    store = Folder(tmp_path)
    with Claims(store, "checkpoints", renewed=0.02) as claims:
        assert claims.take("m.s0.1") is None
        began = store.read("checkpoints/m.s0.1.claim")
        deadline = time.monotonic() + 20
        while store.read("checkpoints/m.s0.1.claim") == began:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        claim_of(store)
        time.sleep(0.1)
    found = store.read("checkpoints/m.s0.1.claim")
    assert found is not None and b"elsewhere" in found[0]


def test_a_replacement_that_was_given_up_keeps_nobody(tmp_path: Path):
    store = Folder(tmp_path)
    tag = store.create("claim", b"one")
    assert tag
    left = tmp_path / f".claim.{tag[:16]}{SUCCESSOR}"
    left.write_bytes(b"of a process that was killed")
    assert store.replace("claim", b"two", tag) is None
    os.utime(left, (0, 0))
    assert store.replace("claim", b"two", tag)
    assert [path.name for path in tmp_path.iterdir()] == ["claim"]
