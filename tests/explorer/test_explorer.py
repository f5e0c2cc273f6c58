"""`gentool explore`: the page computes what PyTorch computes, moves when touched, and serves its own user only."""

import base64
import dataclasses
import http.client
import io
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import gentool
from gentool.errors import OptionError
from gentool.explorer.graph import graph_of
from gentool.explorer.server import Explorer
from gentool.figures.grids import to_picture
from tests.conftest import TINY

PAGE_DATA = r'<script type="application/json" id="content">(.*?)</script>'

PIXELS = """
<script>
const errors = [];
addEventListener("error", event => errors.push(event.message));
addEventListener("load", () => setTimeout(async () => {
  const found = {errors, images: [], codes: [], scroll: document.documentElement.scrollWidth - document.documentElement.clientWidth};
  const read = () => Array.from($("image").getContext("2d").getImageData(0, 0, W, H).data);
  const settled = async () => { while (running) await new Promise(done => setTimeout(done, 5)); };
  for (const number of [0, 3]) {
    $("number").value = number;
    $("number").dispatchEvent(new Event("input"));
    if (K) { $("class").value = number; $("other").value = 1; $("mix").value = 0.5; $("mix").dispatchEvent(new Event("input")); }
    await settled();
    found.images.push(read());
  }
  $("number").value = 999;
  $("number").dispatchEvent(new Event("input"));
  found.beyond = $("status").textContent;
  found.milliseconds = Number(document.body.dataset.milliseconds);
  if (encoder) {
    const input = Float32Array.from({length: C * H * W}, (_, i) => (i * 37 % 256) / 255);
    found.codes = Array.from(K ? encoder(input, Float32Array.from(weights())) : encoder(input));
  }
  const before = read(), range = document.querySelector("#directions input");
  range.value = 3.5;
  range.dispatchEvent(new Event("input"));
  await settled();
  found.slider = [coordinate(0), String(read()) !== String(before)];
  found.number = $("number").value;
  const box = $("map").getBoundingClientRect();
  $("images").checked = false;
  $("map").setPointerCapture = () => {};
  const at = (kind, x, y) => $("map").dispatchEvent(new PointerEvent(kind, {clientX: box.left + x * box.width, clientY: box.top + y * box.height, buttons: 1}));
  at("pointerdown", 0.5, 0.5);
  found.clicked = [coordinate(0), coordinate(1)];
  at("pointermove", 0.75, 0.5);
  found.dragged = coordinate(0);
  at("pointermove", 3, 0.5);
  found.edge = coordinate(0);
  at("pointermove", 0.75, 0.5);
  $("map").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft"}));
  found.arrow = coordinate(0) - found.dragged;
  if (content.points) {
    $("images").checked = true;
    at("pointerdown", places[5][0] / 640, places[5][1] / 640);
    found.point = Math.hypot(...content.points.codes.map(z => Math.max(...minus(code, z).map(Math.abs))).filter(d => d === 0));
    await settled();
    found.status = $("status").textContent;
    found.real = content.points.codes.some(z => Math.max(...minus(code, z).map(Math.abs)) === 0);
  }
  code = Float64Array.from(content.samples[1]);
  changed();
  await settled();
  $("pinA").click();
  code = Float64Array.from(content.samples[2]);
  changed();
  await settled();
  $("pinB").click();
  $("walk").value = 0;
  $("walk").dispatchEvent(new Event("input"));
  found.walk = [Math.max(...minus(code, content.samples[1]).map(Math.abs))];
  $("walk").value = 1;
  $("walk").dispatchEvent(new Event("input"));
  found.walk.push(Math.max(...minus(code, content.samples[2]).map(Math.abs)));
  $("truncation").value = 0;
  $("truncation").dispatchEvent(new Event("input"));
  found.truncated = Math.max(...minus(Array.from(shownCode()), content.center).map(Math.abs));
  document.body.setAttribute("data-found", JSON.stringify(found));
}, 300));
</script>
"""  # noqa: E501


def content(page: Path) -> dict[str, Any]:
    found = re.search(PAGE_DATA, page.read_text(encoding="utf-8"), re.S)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def probed(browser: str, page: Path, width: int = 1280) -> dict[str, Any]:
    copy = page.with_name("probe.html")
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", PIXELS + "</body>", 1), encoding="utf-8")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=20000",
        f"--window-size={width},900", "--dump-dom", copy.resolve().as_uri(),
    ]  # fmt: skip
    dumped = subprocess.run(command, check=True, capture_output=True, text=True, timeout=180).stdout
    found = re.search(r'data-found="([^"]*)"', dumped)
    assert found, dumped[-2000:]
    return json.loads(found[1].replace("&quot;", '"'))  # type: ignore[no-any-return]


@pytest.fixture
def explored(cli: Callable, runs: Path, model: str) -> Path:
    if model in TINY:
        return runs / model
    words = ("--latent-dim", 5, "--epochs", 8, "--quiet", "--out", "run")
    assert cli("train", *model.split(), "--data", "digits", *words).code == 0
    return Path("run")


WITHOUT_LAYER_NORM = [
    *(name for name in TINY if name != "flow"),
    "vae --prior flow --arch mlp --hidden 16 --activation glu",
    "cae --channels 4,8 --activation glu --blocks 1",
]


@pytest.mark.parametrize("model", WITHOUT_LAYER_NORM)
def test_the_page_computes_what_pytorch_computes(cli: Callable, explored: Path, browser: str, model: str) -> None:
    done = cli("explore", explored, "--out", "page.html")
    assert (done.code, done.out.strip()) == (0, "page.html")
    width = 390 if model == "vae" else 1280
    found = probed(browser, Path("page.html"), width)
    assert found["errors"] == []
    assert found["scroll"] <= 0
    trained = gentool.load(explored)
    z = torch.tensor(content(Path("page.html"))["samples"])[[0, 3]]
    weights = None
    if trained.classes:
        weights = torch.zeros(2, 10)
        weights[:, 1] = 0.5
        weights[[0, 1], [0, 3]] += 0.5
    for image, computed in zip(trained.decode(z, weights), found["images"], strict=True):
        picture = to_picture(image)
        shown = np.array(computed).reshape(*picture.shape[:2], 4)[..., : 1 if picture.ndim == 2 else 3]
        difference = np.abs(shown.astype(int) - picture.reshape(shown.shape).astype(int))
        assert difference.max() <= 2
        assert shown.std() > 1  # a picture, not a blank
    if trained.encodes:
        x = torch.tensor([[i * 37 % 256 / 255 for i in range(torch.Size(trained.shape).numel())]])
        code = trained.encode(x.view(1, *trained.shape), None if weights is None else weights[1:])[0]
        assert (torch.tensor(found["codes"]) - code).abs().max() < 0.01 * code.abs().max()
        assert found["real"]
        assert found["status"].startswith("The code of a real image")
    assert found["slider"][0] == pytest.approx(3.5, abs=0.01)
    assert found["slider"][1]
    assert found["number"] == ""  # it is no longer that sample
    assert found["beyond"] == "The page has the samples 0 to 63"
    assert found["edge"] == pytest.approx(2.5 + 2.5 / 12, abs=0.02)
    assert found["clicked"] == pytest.approx([0, 0], abs=0.02)
    assert found["dragged"] == pytest.approx(0.25 * 2 * (2.5 + 2.5 / 12), abs=0.02)
    assert found["arrow"] == pytest.approx(-0.1, abs=1e-4)
    assert found["walk"] == pytest.approx([0, 0], abs=1e-4)
    assert found["truncated"] == 0


def test_the_page_is_one_file(cli: Callable, runs: Path) -> None:
    assert cli("explore", runs / "vae", "--out", "page.html", "--json").code == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|<script src|<link", page)
    assert "default-src 'none'" in page
    data = content(Path("page.html"))
    assert {"decoder", "encoder", "points"} <= data.keys()
    first = Image.open(io.BytesIO(base64.b64decode(data["points"]["pictures"][0].split(",")[1])))
    assert first.size == (8, 8)
    assert len(data["points"]["codes"]) == len(data["points"]["pictures"]) == len(data["points"]["names"]) == 300
    z = torch.tensor(data["samples"])
    assert torch.equal(
        gentool.load(runs / "vae").decode(z[:4]).round(decimals=3),
        gentool.load(runs / "vae").sample(4).round(decimals=3),
    )
    refused = cli("explore", runs / "vae", "--out", "page.html")
    assert (refused.code, "page.html: exists; give --overwrite" in refused.err) == (2, True)


def test_directions_of_a_generator_change_the_image_most(runs: Path, cli: Callable) -> None:
    assert cli("explore", runs / "gan", "--out", "page.html").code == 0
    data = content(Path("page.html"))
    assert "points" not in data
    directions = torch.tensor(data["directions"])
    assert torch.allclose(directions @ directions.T, torch.eye(len(directions)), atol=1e-3)
    model = gentool.load(runs / "gan")
    z = torch.randn(500, model.latent_dim, generator=torch.Generator().manual_seed(5))

    def change(direction: torch.Tensor) -> float:
        return (model.decode(z + 0.5 * direction) - model.decode(z - 0.5 * direction)).square().mean().item()

    others = torch.linalg.svd(directions)[2][len(directions) :]
    if len(others):
        assert change(directions[0]) > change(others[0])
    assert change(directions[0]) >= change(directions[-1])


class Odd(nn.Module):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft(z).abs()


def test_an_operation_that_the_page_has_not_is_named() -> None:
    odd = Odd()
    with pytest.raises(OptionError, match=r"--out: the network uses aten\.\S*, which the page cannot compute"):
        graph_of(odd, odd, [torch.zeros(1, 4)])


def test_a_flow_is_refused_before_anything_is_computed(
    cli: Callable, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gentool.explorer.content.image_directions", lambda model, seed: pytest.fail("computed"))
    done = cli("explore", runs / "flow", "--out", "page.html")
    assert done.code == 2
    assert done.err == (
        "gentool: --out: the image of a flow takes many passes through its network, which the page cannot compute; "
        "explore it without --out\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("vae", "--port", 8000, "--out", "p.html"), "--port: has no effect with --out"),
        (("vae", "--overwrite"), "--overwrite: only with --out"),
        (("vae", "--out", "p.png"), "--out p.png: give a name that ends in .html"),
        (("gan", "--data", "digits"), "--data: a gan has no encoder, so the map shows no images"),
        (("vae", "--port", 70000), "--port: must be at most 65535"),
    ],
)
def test_bad_options_are_one_line(cli: Callable, runs: Path, words: tuple[Any, ...], message: str) -> None:
    model, *more = words
    done = cli("explore", runs / model, *more)
    assert done.code == 2
    assert done.err.splitlines()[-1] == f"gentool: {message}"


def test_a_port_that_is_taken(cli: Callable, runs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cli("explore", runs / "gan", "--port", port, "--no-open")
    assert done.code == 2
    assert f"--port {port}: cannot be opened (Address already in use); choose another one" in done.err


def test_one_image_and_odd_names_are_no_obstacle(cli: Callable, runs: Path) -> None:
    Path("one").mkdir()
    Image.new("L", (8, 8), 90).save("one/a.png")
    done = cli("explore", runs / "vae", "--data", "one", "--out", "page.html")
    assert (done.code, "Warning" in done.err) == (0, False), done.err
    model = gentool.load(runs / "cgan")
    model.header = dataclasses.replace(model.header, classes=("\udcff", *model.classes[1:]))
    model.classes = model.header.classes
    with Explorer(model, None, 0, 0) as explorer:
        assert rb"\udcff" in explorer.page


@pytest.fixture
def served(runs: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, int, str, subprocess.Popen[str]]]:
    """A running explorer of a model: the model, its port, the secret, and its process."""
    model = request.param
    command = [sys.executable, "-m", "gentool", "explore", str(runs / model), "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/([\w-]{20,})/\n", process.stdout.readline())
        assert url, process.communicate()
        yield model, int(url[1]), url[2], process
        process.kill()


def asked(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


@pytest.mark.parametrize("served", ["vae", "cgan"], indirect=True)
def test_a_running_model_computes_in_place_of_the_page(
    served: tuple[str, int, str, subprocess.Popen[str]], runs: Path
) -> None:
    model, port, secret, process = served
    trained = gentool.load(runs / model)
    status, page = asked(port, "GET", f"/{secret}/")
    assert status == 200
    assert b"decoder" not in page.partition(b'id="content">')[2].partition(b"</script>")[0]
    z, labels = torch.randn(1, trained.latent_dim), torch.eye(10)[None, 4]
    weights = [int(weight) for weight in labels[0]]  # as a browser writes 1.0
    request = {"z": z[0].tolist(), "labels": weights if trained.classes else []}
    status, pixels = asked(port, "POST", f"/{secret}/decode", json.dumps(request).encode())
    assert status == 200
    assert pixels == to_picture(trained.decode(z, labels if trained.classes else None)[0]).tobytes()
    file = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save(file, "PNG")
    path = f"/{secret}/encode" + ("?label=4" if trained.classes else "")
    status, answer = asked(port, "POST", path, file.getvalue())
    assert status == 200
    found = json.loads(answer)
    assert found["picture"] == [4 * i for i in range(64)]
    if trained.encodes:
        code = trained.encode(torch.arange(0, 256, 4).view(1, 1, 8, 8).float() / 255)[0]
        assert torch.tensor(found["z"]).allclose(code, atol=1e-5)
    # Mistakes and strangers.
    for method, wrong, body, headers, expected in (
        ("GET", "/", None, {}, 404),
        ("GET", f"/{secret[:-1]}/", None, {}, 404),
        ("GET", f"/{secret}/", None, {"Host": "example.org"}, 404),
        ("GET", f"/{secret}/../../etc/passwd", None, {}, 404),
        ("POST", "/decode", b"{}", {}, 404),
        ("POST", f"/{secret}/elsewhere", b"{}", {}, 404),
        ("POST", f"/{secret}/decode", b"{", {}, 400),
        ("POST", f"/{secret}/decode", b"[" * 100_000, {}, 400),
        ("POST", f"/{secret}/decode", b'{"z": [1], "labels": []}', {}, 400),
        ("POST", f"/{secret}/decode", b'{"z": "x", "labels": []}', {}, 400),
        ("POST", f"/{secret}/decode", b"x", {"Content-Length": "99999999"}, 400),
        ("POST", f"/{secret}/encode", b"no picture", {}, 400),
        ("POST", f"/{secret}/encode?label=x", file.getvalue(), {}, 400),
    ):
        assert asked(port, method, wrong, body, **headers)[0] == expected, (method, wrong)
    # A browser that closes the connection, at once: with a reset.
    with socket.create_connection(("127.0.0.1", port)) as leaving:
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaving.sendall(f"GET /{secret}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert asked(port, "GET", f"/{secret}/")[0] == 200
    # Ctrl-C while a request is answered: a search, for a model without an encoder.
    with socket.create_connection(("127.0.0.1", port)) as waiting:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(file.getvalue())}\r\n\r\n"
        waiting.sendall(head.encode() + file.getvalue())
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
