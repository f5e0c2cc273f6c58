"""The network: its recipes, and that what it generates is what it learns."""

import math

import pytest
import torch

from gentool.errors import OptionError
from gentool.seq2seq.network import build
from gentool.seq2seq.options import ImageToImage, ImageToText, Options, TextToImage
from gentool.seq2seq.task import reversal, symbols

QUERIES = symbols(["81+24", "7-31", "0+0"], 5)


def test_the_classic_network_is_lstm_repeat_lstm_dense() -> None:
    network = build(Options(recipe="classic"))
    expected = 4 * 256 * (13 + 256 + 2) + 4 * 256 * (256 + 256 + 2) + 13 * 256 + 13
    assert sum(weight.numel() for weight in network.parameters()) == expected == 807_181


@pytest.mark.parametrize("layers", [(1, 1), (2, 2), (1, 3), (3, 1)])
@pytest.mark.parametrize("recipe", ["default", "classic"])
def test_teacher_forcing_with_its_own_answers_gives_what_it_generates(recipe: str, layers: tuple[int, int]) -> None:
    torch.manual_seed(0)
    options = Options(recipe=recipe, hidden=16, encoder_layers=layers[0], decoder_layers=layers[1])
    network = build(options).eval()
    tokens = network.one_hot(QUERIES)
    memory = network.encode(tokens)
    logits, features = network.decoder.generate(*memory)
    forced, forced_features = network(tokens, logits.argmax(2))
    torch.testing.assert_close(forced, logits)
    torch.testing.assert_close(forced_features, features)


def test_answers_are_reversed_back_and_their_probability_is_the_product() -> None:
    torch.manual_seed(1)
    network = build(Options(hidden=16)).eval()
    logits, features = network.decoder.generate(*network.encode(network.one_hot(QUERIES)))
    ids, confidence, reversed_features = network.answer(network.one_hot(QUERIES))
    symbol = logits.argmax(2)
    order = reversal(symbol)
    assert torch.equal(ids, symbol.gather(1, order))
    torch.testing.assert_close(confidence, logits.softmax(2).amax(2).prod(1))
    torch.testing.assert_close(reversed_features, features.gather(1, order[..., None].expand_as(features)))
    assert not torch.equal(reversed_features, features)


@pytest.mark.parametrize(("recipe", "gain"), [("default", 3.0), ("classic", 1.0)])
def test_upper_layers_of_the_default_recipe_begin_with_larger_input_weights(recipe: str, gain: float) -> None:
    network = build(Options(recipe=recipe, hidden=32, encoder_layers=3, decoder_layers=2))
    for lstm in (network.encoder, network.decoder.lstm):
        for layer in range(lstm.num_layers):
            weight = getattr(lstm, f"weight_ih_l{layer}")
            bound = (gain if layer else 1.0) * math.sqrt(6 / sum(weight.shape))  # Glorot & Bengio 2010, equation 16
            assert 0.95 * bound < weight.abs().max() <= bound


def test_given_options_beat_the_recipe() -> None:
    choices = Options(recipe="classic", attention=True, dropout=0.3).choices()
    assert (choices.attention, choices.dropout, choices.operands, choices.decoder) == (True, 0.3, "plain", "repeat")
    assert Options(attention=False).choices().attention is False


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Options(operators="+/"), "--operators: '+/': expected some of"),
        (lambda: Options(gif=True), "--gif: text2text draws no pictures"),
        (
            lambda: TextToImage(symbol_loss=0.0),
            "--symbol-loss: 0 needs --decoder repeat; an autoregressive decoder needs its symbols",
        ),
        (
            lambda: ImageToText(recipe="classic", reading_loss=0.5),
            "--reading-loss: not with --recipe classic, which reads no symbols",
        ),
        (
            lambda: ImageToText(recipe="classic", operands="aligned"),
            "--operands: aligned is not possible with --recipe classic, which reads no symbols",
        ),
    ],
)
def test_what_cannot_be_is_refused(make: object, message: str) -> None:
    with pytest.raises(OptionError) as refused:
        make()  # type: ignore[operator]
    assert message in str(refused.value)


@pytest.mark.parametrize("recipe", ["default", "classic"])
def test_pictures_in_and_out(recipe: str) -> None:
    network = build(ImageToImage(recipe=recipe, hidden=16)).eval()
    seen = network.read(torch.rand(2, 5, 1, 28, 28))
    ids, _, features = network.answer(network.tokens(seen))
    assert ids.shape == (2, 3)
    assert network.painter(features).shape == (2, 3, 1, 28, 28)
