"""Sets of options: their checks, when an option has an effect, and the ways to give them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import gentool
from gentool.errors import OptionError
from gentool.options import Validated, comma_separated, command_words, numbers, option, redefault, words


@dataclass(frozen=True, kw_only=True)
class Some(Validated):
    """A set of options with one of each kind."""

    method: Literal["pca", "tsne", "umap"] = option("pca", "How.")
    perplexity: float = option(30.0, "Neighbours.", min=1, only_with={"method": ("tsne", "umap")})
    count: int = option(5, "How many.", min=1, max=9, not_with={"all": True}, alias="number")
    all: bool = option(False, "All of them.")
    sizes: tuple[int, ...] = option((8, 16), "Sizes.", parse=numbers)
    out: Path | None = option(None, "Where.")


@dataclass(frozen=True, kw_only=True)
class More(Some):
    """The same with another default."""

    count: int = redefault(Some, "count", 7, help="How many at most.")


def test_an_option_has_an_effect_only_with_these_values_of_another() -> None:
    assert Some(method="tsne", perplexity=5).perplexity == 5.0
    with pytest.raises(OptionError, match=r"^--perplexity: only with --method tsne or umap$"):
        Some(perplexity=5)
    with pytest.raises(OptionError, match=r"^--count: has no effect with --all$"):
        Some(count=3, all=True)
    assert Some(all=True).count == 5, "a default is no option that was given"


def test_options_of_earlier_versions_that_had_no_effect_are_still_read() -> None:
    assert Some.from_json({"perplexity": 5}).perplexity == 5.0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"count": 10}, "--count: 10 is out of range; it must be between 1 and 9"),
        ({"count": "3"}, "--count: '3' is not a whole number"),
        ({"count": True}, "--count: True is not a whole number"),
        ({"count": None}, "--count: needs a value"),
        ({"method": "tsn"}, "--method: 'tsn' is not one of pca, tsne, umap. Did you mean 'tsne'?"),
        ({"sizes": "8,x"}, "--sizes: '8,x': expected comma-separated positive whole numbers, such as 16,32"),
        ({"perplexity": float("nan"), "method": "tsne"}, "--perplexity: nan is not a finite number"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_with_what_is_allowed(settings: dict[str, object], text: str) -> None:
    with pytest.raises(OptionError) as raised:
        Some(**settings)
    assert str(raised.value) == text


def test_values_are_parsed_once_and_written_as_they_are_typed() -> None:
    assert Some(sizes="4,32").sizes == Some(sizes=(4, 32)).sizes == Some(sizes=[4, 32]).sizes == (4, 32)
    written = Some(sizes="4,32", out="a/b").to_json()
    assert written == {
        "method": "pca", "perplexity": 30.0, "count": 5, "all": False, "sizes": "4,32", "out": str(Path("a/b")),
    }  # fmt: skip
    assert Some.from_json(written) == Some(sizes=(4, 32), out=Path("a/b"))


def test_options_as_flags_of_a_command_line() -> None:
    assert command_words(Some()) == []
    given = Some(method="tsne", perplexity=5, all=True, sizes=(4, 32), out=Path("a b"))
    assert command_words(given) == ["--method=tsne", "--perplexity=5.0", "--all", "--sizes=4,32", "--out=a b"]


def test_an_earlier_name_is_still_read() -> None:
    assert Some.from_json({"number": 3}).count == 3
    assert Some.resolve(None, {"number": 3}).count == 3
    with pytest.raises(OptionError, match=r"^'cont' is not an option here\. Did you mean 'count'\?$"):
        Some.from_json({"cont": 3})


def test_options_or_keywords_but_not_both() -> None:
    assert Some.resolve(None, {}) == Some()
    given = Some(count=2)
    assert Some.resolve(given, {}) is given
    with pytest.raises(OptionError, match=r"^give either options or keywords \(count\), not both$"):
        Some.resolve(given, {"count": 3})
    with pytest.raises(OptionError, match=r"^'cuont' is not an option here\. Did you mean 'count'\?$"):
        Some.resolve(None, {"cuont": 3})
    with pytest.raises(OptionError, match=r"expected .*More, got .*Some$"):
        More.resolve(given, {})


def test_a_subclass_states_only_what_is_different() -> None:
    assert More().count == 7
    assert More().changed() == []
    with pytest.raises(OptionError, match="--count: 10 is out of range"):
        More(count=10)


@pytest.mark.parametrize(
    ("name", "given", "plain"),
    [
        ("beta", np.float64(2), 2.0),
        ("beta", np.float32(0.5), 0.5),
        ("beta", np.int64(2), 2.0),
        ("beta", np.array(2.5), 2.5),
        ("latent_dim", np.int64(3), 3),
        ("latent_dim", np.uint8(3), 3),
        ("flip", np.True_, True),
        ("compile", np.False_, False),
        ("arch", np.str_("mlp"), "mlp"),
        ("channels", [np.int64(4), np.int64(8)], (4, 8)),
    ],
    ids=lambda value: repr(value),
)
def test_numpy_scalars_are_taken_as_python_s_own(name: str, given: Any, plain: Any) -> None:
    options = gentool.VAEOptions(**{name: given})
    value = getattr(options, name)
    assert value == plain
    assert type(value) is type(plain)
    if isinstance(value, tuple):
        assert {type(one) for one in value} == {int}
    assert options == gentool.VAEOptions(**{name: plain})
    written = json.loads(json.dumps(options.to_json()))
    assert written == gentool.VAEOptions(**{name: plain}).to_json()
    assert gentool.VAEOptions.from_json(written) == options


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"latent_dim": np.float64(3)}, "--latent-dim: 3.0 is not a whole number"),
        ({"latent_dim": np.True_}, "--latent-dim: True is not a whole number"),
        ({"flip": np.int64(1)}, "--flip: 1 is not true or false"),
        ({"beta": np.float64("nan")}, "--beta: nan is not a finite number"),
        ({"latent_dim": np.int64(0)}, "--latent-dim: 0 is out of range; it must be "),
    ],
    ids=str,
)
def test_numpy_scalars_are_checked_as_python_s_own(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError) as refused:
        gentool.VAEOptions(**settings)
    assert str(refused.value).startswith(text)


def test_files_hold_plain_numbers(tmp_path: Path) -> None:
    """options.json and the checkpoint, which is read without executing anything."""
    settings = {"arch": "mlp", "hidden": np.int64(16), "latent_dim": np.int32(4), "beta": np.float64(2)}
    model = gentool.train("vae", "digits", out=tmp_path, device="cpu", steps=np.int64(2), **settings)
    options = json.loads((tmp_path / "options.json").read_text())["options"]
    assert (options["beta"], options["latent_dim"], options["steps"]) == (2.0, 4, 2)
    assert [type(options[name]) for name in ("beta", "latent_dim", "steps")] == [float, int, int]
    assert '"beta": 2.0' in (tmp_path / "options.json").read_text()
    assert gentool.load(tmp_path).header == model.header
    given = gentool.VAEOptions(arch="mlp", hidden=16, latent_dim=4, beta=2, steps=2, device="cpu")
    assert model.header.options == given.to_json() | {"batch_size": 128}  # which gentool chose for the data


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("3,cat", ("3", "cat")),
        ('"salt, pepper",b', ("salt, pepper", "b")),
        (' a , "b,c" ', ("a", "b,c")),
        ('"say ""no"", please"', ('say "no", please',)),
        ("Übung,日本", ("Übung", "日本")),
    ],
)
def test_words_with_commas_stand_in_quotes(text: str, parts: tuple[str, ...]) -> None:
    assert words(text) == parts
    assert words(comma_separated(parts)) == parts


@pytest.mark.parametrize("text", ["", "a,,b", ",", " "])
def test_an_empty_word_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected comma-separated names or numbers"):
        words(text)
