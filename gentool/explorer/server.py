"""The page served from a running model, on this machine only: it computes in place of the page, on a GPU as well."""

import hmac
import json
import secrets
import sys
import threading
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from torch import Tensor

from gentool.data.folders import LARGEST_FILE
from gentool.data.images import ImageData
from gentool.errors import DataError, GentoolError, OptionError
from gentool.explorer.content import explorer_content
from gentool.explorer.page import page_with
from gentool.figures.grids import to_picture
from gentool.latent.images import picture_in
from gentool.latent.inputs import whole
from gentool.latent.model import Model
from gentool.latent.projection import ProjectOptions
from gentool.progress import SILENT, Reporter
from gentool.reading import parse_json

HOST = "127.0.0.1"
LARGEST_REQUEST = 2**20
"""Bytes of a request for an image."""
PROJECT = ProjectOptions(restarts=2, steps=100)
"""A shorter search than that of `gentool project`, since somebody waits."""


class Explorer(ThreadingHTTPServer):
    """The server of one model. `url` is its address, with a secret in it that keeps other pages and users out."""

    daemon_threads = True

    def __init__(
        self, model: Model, data: ImageData | None, seed: int, port: int, *, reporter: Reporter = SILENT
    ) -> None:
        """Raises OptionError where the port is taken."""
        content = explorer_content(model, data, seed, with_network=False, reporter=reporter)
        self.page = page_with(content).encode(errors="backslashreplace")
        self.model, self.reporter = model, reporter
        self.secret = secrets.token_urlsafe(16)
        self.busy = threading.Lock()  # one computation at a time
        try:
            super().__init__((HOST, port), Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OptionError(f"--port {port}: cannot be opened ({reason}); choose another one, or 0 for any") from None

    @property
    def url(self) -> str:
        """The address to open in a browser on this machine."""
        return f"http://{HOST}:{self.server_port}/{self.secret}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closes a connection, as it does when a page is left, is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def image_of(self, body: str) -> bytes:
        """The image of one code as it is written to a file: bytes, row by row, the channels of a pixel together."""
        request = parse_json(body, {"z": [float], "labels": [float]})
        # A browser writes 1.0 as 1.
        z, labels = (torch.tensor([request[name]], dtype=torch.float32) for name in ("z", "labels"))
        with self.busy:
            (image,) = self.model.decode(z, labels if self.model.is_conditional else None)
        return to_picture(image).tobytes()

    def code_of(self, data: bytes, label: int | None) -> dict[str, Any]:
        """The code of a picture file, and the picture in the model's shape."""
        x = picture_in(data, "This file", self.model.shape, reporter=self.reporter)
        with self.busy:
            given = None if label is None or not self.model.is_conditional else [self.class_named(label)]
            z = self.model.encode(x, given)[0] if self.model.encodes else self.projected(x, label)
        return {"z": z.tolist(), "picture": list(to_picture(x[0]).tobytes())}

    def projected(self, x: Tensor, label: int | None) -> Tensor:
        """The code whose image is nearest to a picture (1, C, H, W)."""
        options = ProjectOptions() if self.model.inverts else PROJECT
        if label is not None:
            options = replace(options, labels=(self.class_named(label),))
        return self.model.project(x, options).z[0]

    def class_named(self, label: int) -> str:
        """The name of a class by its number. Raises OptionError for one that does not exist."""
        return self.model.classes[whole("label", label, 0, len(self.model.classes) - 1)]


class Handler(BaseHTTPRequestHandler):
    """GET the page, POST decode and encode below the secret."""

    server: Explorer
    protocol_version = "HTTP/1.1"

    def allowed(self) -> str | None:
        """What is asked for, below the secret. Others are answered with an error, and None."""
        host = self.headers.get("Host", "")
        _, secret, *rest = [*self.path.split("/"), "", ""][:3]
        # Another page may send requests here under a name of its own, but does not know the secret.
        known = hmac.compare_digest(secret.encode(), self.server.secret.encode())
        if host not in (f"{HOST}:{self.server.server_port}", f"localhost:{self.server.server_port}") or not known:
            self.answer(HTTPStatus.NOT_FOUND, b"not found", "text/plain")
            return None
        return rest[0]

    def do_GET(self) -> None:
        name = self.allowed()
        if name == "":
            self.answer(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
        elif name is not None:
            self.answer(HTTPStatus.NOT_FOUND, b"not found", "text/plain")

    def do_POST(self) -> None:
        name = self.allowed()
        if name is None:
            return
        try:
            if name == "decode":
                image = self.server.image_of(self.body(LARGEST_REQUEST).decode())
                self.answer(HTTPStatus.OK, image, "application/octet-stream")
            elif name.startswith("encode"):
                label = name.partition("?label=")[2]
                found = self.server.code_of(self.body(LARGEST_FILE), int(label) if label else None)
                self.answer(HTTPStatus.OK, json.dumps(found).encode(), "application/json")
            else:
                self.answer(HTTPStatus.NOT_FOUND, b"not found", "text/plain")
        except (GentoolError, ValueError) as error:
            self.answer(HTTPStatus.BAD_REQUEST, str(error).encode(), "text/plain; charset=utf-8")

    def body(self, most: int) -> bytes:
        """The content of a request. Raises DataError for one that is too large."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal() and int(length) <= most):
            self.close_connection = True
            raise DataError(f"a request has at most {most:,} bytes")
        return self.rfile.read(int(length))

    def answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not announced."""
