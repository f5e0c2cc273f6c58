"""What commands ask of the system: no program is started, no connection made, nothing written outside the target."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TINY

CALLS = (
    "execve,connect,open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,"
    "symlinkat,chmod,fchmodat,truncate"
)
PROGRAMS = ("ldconfig", "uname", "fc-list", Path(sys.executable).name)
"""What Python, PyTorch and matplotlib start to look at the system, its libraries and fonts."""
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")
LINE = re.compile(r"^\d+ +(?P<call>\w+)\((?P<rest>.*)\) += (?P<result>-?\d+)")
PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?"(?P<path>[^"]*)"')

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(/tmp/escaped) (w) file\n%%EOF\n"


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where matplotlib keeps its list of fonts, which takes seconds to make."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def place(tmp_path: Path, runs: Path) -> Path:
    """A working folder: pictures, one of them a program in PostScript, and trained models."""
    for name in ("work", "cache", "temporary"):
        (tmp_path / name).mkdir()
    work = tmp_path / "work"
    (work / "photos").mkdir()
    from PIL import Image

    for number in range(30):
        Image.new("RGB", (16, 16), (number * 8, 90, 9)).save(work / "photos" / f"{number}.png")
    (work / "photos" / "program.png").write_bytes(EPS)
    for name in ("vae", "gan"):
        shutil.copytree(runs / name, work / name)
        (work / name / "samples" / "epoch-0002.png").write_bytes(EPS)
    return work


def traced(place: Path, home: Path, words: str) -> list[tuple[str, str, str]]:
    """Calls of a command that had an effect, with their path."""
    log = place.parent / "trace.txt"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GENTOOL_DATA": str(place.parent / "cache"),
        "TMPDIR": str(place.parent / "temporary"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = ["strace", "-f", "-y", "-qq", "-s", "4096", "-e", f"trace={CALLS}", "-o", str(log), sys.executable]
    process = subprocess.run(
        [*command, "-m", "gentool", *words.split()], cwd=place, env=environment, capture_output=True
    )
    if b"ptrace" in process.stderr:
        pytest.skip("this machine forbids tracing")
    assert process.returncode in (0, 4), process.stderr  # 4: the program in the place of a picture was met
    return list(effects(log.read_text(errors="replace"), place))


def effects(log: str, place: Path) -> Iterator[tuple[str, str, str]]:
    for line in log.splitlines():
        found = LINE.match(line)
        if found is None or int(found["result"]) < 0:
            continue
        if found["call"].startswith("open") and not WRITING.search(found["rest"]):
            continue
        paths = list(PATH.finditer(found["rest"]))
        if found["call"] == "execve":
            paths = paths[:1]
        for path in paths:
            yield found["call"], os.path.join(path["folder"] or str(place), path["path"]), line
        if found["call"] == "connect":
            yield "connect", "", line


def check(place: Path, home: Path, words: str, targets: tuple[str, ...]) -> None:
    allowed = [str(place / target) for target in targets] + [
        str(place.parent / "cache"),
        str(place.parent / "temporary"),
    ]
    allowed += [str(home / name / "matplotlib") for name in (".config", ".cache")]
    for call, path, line in traced(place, home, words):
        if call == "execve":
            assert Path(path).name in PROGRAMS, line
        elif call == "connect":
            assert "AF_UNIX" in line, line
        else:
            path = re.sub(r"/\.[0-9a-f]{8}-", "/.", path)  # a set is prepared in a folder of a random name beside it
            inside = any(path == one or path.startswith((f"{one}/", f"{one}.")) for one in allowed)
            parents = any(one.startswith(f"{path}/") for one in allowed)  # a folder that was made for them
            assert inside or parents or path.startswith(("/dev/", "/proc/")), line
    assert [path for path in (place.parent / "temporary").rglob("*") if path.is_file()] == []


SHORT = ("report vae", "vae/report.html vae/.report.html")
LONG = (
    ("prepare photos --out set", "set .set"),
    (f"train vae --data digits --steps 5 --gif {' '.join(TINY['vae'])}", "runs"),
    ("sample vae vae/model.pt", "vae/model-samples-0 vae/.model-samples-0"),
    (
        "evaluate gan gan --samples 50 --half-samples 0 --features random --out scores",
        "scores gan/report.html gan/.report.html",
    ),
    ("reconstruct vae vae --out r.png", "r.png r.csv .r.png .r.csv"),
    ("compare vae gan --features random --out table", "table"),
    ("embed vae vae --out codes", "codes"),
    ("interpolate vae vae --out i.png --gif", "i.png i.gif .i.png .i.gif"),
    ("seq2seq train text2text --max-operand 9 --steps 5 --hidden 16 --embedding 8 --out s", "s"),
    ("seq2seq sweep text2text --max-operand 9 --steps 5 --hidden 8,16 --embedding 8 --out sweep", "sweep"),
)


@pytest.mark.parametrize(
    ("words", "targets"), [SHORT, *(pytest.param(*case, marks=pytest.mark.attack) for case in LONG)]
)
def test_only_the_target_is_written_and_no_program_started(words: str, targets: str, place: Path, home: Path) -> None:
    check(place, home, words, tuple(targets.split()))
