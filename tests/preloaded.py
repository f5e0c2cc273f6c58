"""`gentool` for shell scripts with many commands: each is forked from a process that has imported everything.

`python -m tests.preloaded FOLDER` writes the program FOLDER/gentool and prints its path. Then it answers that program,
which sends its words, folder, environment and standard streams through a socket, and waits for an exit code.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from tests.attack.kills import import_all
from tests.attack.processes import run_in_child

CLIENT = """import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
words = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(words).to_bytes(4, "big")], [0, 1, 2])
server.sendall(words)
sys.exit((server.recv(1) or bytes([70]))[0])
"""


def hurry() -> None:
    """Train the classifier of evaluations for one update, in place of 1,500; other tests never use this one.

    Mixtures and maps of codes are searched for as shortly.
    """
    from gentool.evaluation import classifier
    from gentool.latent import mixture, reduction

    classifier.EPOCHS = classifier.UPDATES = 1
    classifier.VERSION = "a test's"
    mixture.RESTARTS_TIMES_COMPONENTS = mixture.ITERATIONS = 1
    reduction.ITERATIONS = 250


def answer(client: socket.socket) -> NoReturn:
    """Run one command in this process, which ends with it."""

    def begin() -> list[str]:
        size, streams, _, _ = socket.recv_fds(client, 4, 3)
        for stream, number in enumerate(streams):
            os.dup2(number, stream)
        with client.makefile("rb") as file:
            words, folder, environment = json.loads(file.read(int.from_bytes(size, "big")))
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        return list(words)

    client.send(bytes([run_in_child(begin)]))
    os._exit(0)


def serve(folder: Path) -> None:
    """Answer until this process is killed."""
    import_all()
    import gentool.cli.commands.compare
    import gentool.cli.commands.embed
    import gentool.cli.commands.evaluate  # noqa: F401

    hurry()
    program, client_code, path = folder / "gentool", folder / "client.py", str(folder / "socket")
    client_code.write_text(CLIENT.format(path=path))
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{client_code}" "$@"\n')
    program.chmod(0o755)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        print(program, flush=True)
        while True:
            client, _ = server.accept()
            with client:
                if os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    server.close()
                    answer(client)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
