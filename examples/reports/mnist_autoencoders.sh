#!/bin/sh
# LSTM and convolutional autoencoders on handwritten digits.
#   sh examples/reports/mnist_autoencoders.sh    QUICK=1, OUT=folder, DATA=folder with the MNIST files: see page.sh
. "$(dirname "$0")/page.sh"

points=10000
quick && points=1000
begin "LSTM and convolutional autoencoders" "Losses, reconstructions beside those of an untrained network, and t-SNE of the codes." \
    "4 trainings and 4 maps by t-SNE, less than an hour on two CPU cores, most of it for the LSTMs"
data=$(images mnist digits)

one() { # one NAME MODEL TITLE OPTION...: train an autoencoder and show what it does
    name=$1
    model=$2
    part "$3"
    shift 3
    run="$OUT/$name"
    gentool train "$model" --data "$data" --out "$run" "$@"
    gentool reconstruct "$run" --untrained --out "$run-reconstructions.png" --overwrite
    gentool embed "$run" --method tsne --points "$points" --out "$run-codes" --overwrite
    figure "$name/losses.png" "Losses"
    figure "$name-reconstructions.png" "Test images, their reconstructions, and those of the untrained network"
    figure "$name-codes/embedding.png" "t-SNE of the codes, coloured by class"
}

plain="--schedule constant --ema 0"
# shellcheck disable=SC2046,SC2086  # several options
one lstm-report lstm-ae "LSTM, with the settings of the report" \
    --layers 2 --hidden 128 --latent-dim 128 --lr 1e-3 --batch-size 256 $plain --clip 0 $(length "--steps 10000" "--steps 300")
# shellcheck disable=SC2046,SC2086
one cnn-report cae "Convolutions, with the settings of the report" \
    --channels 16,32 --kernel-size 3 --latent-dim 64 --lr 1e-3 --batch-size 256 $plain $(length "--steps 1000" "--steps 300")
# shellcheck disable=SC2046
one lstm-defaults lstm-ae "LSTM, with the defaults of gentool" $(length "" "--epochs 10")
# shellcheck disable=SC2046
one cnn-defaults cae "Convolutions, with the defaults of gentool" $(length "" "--epochs 10")
finish
