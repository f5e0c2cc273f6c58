#!/bin/sh
# A VAE on handwritten digits, and Gaussian mixtures on its codes.
#   sh examples/reports/vae_gmm.sh    QUICK=1, OUT=folder, DATA=folder with the MNIST files: see page.sh
. "$(dirname "$0")/page.sh"

begin "A VAE and Gaussian mixtures" "Reconstructions, codes, and mixtures on the codes: with the settings of the report, then with the defaults." \
    "2 trainings and 2 sets of mixtures, about 20 minutes on two CPU cores"
data=$(images mnist digits)
seeds=5
if quick; then seeds=2; fi

one() { # one NAME TITLE OPTION...: train a VAE and show what it does
    name=$1
    part "$2"
    shift 2
    run="$OUT/$name"
    gentool train vae --data "$data" --out "$run" "$@"
    gentool reconstruct "$run" --split validation --out "$run-reconstructions.png" --overwrite
    gentool sample "$run" --manifold --out "$run-manifold.png" --overwrite
    gentool embed "$run" --gmm 10 --repeats "$seeds" --out "$run-codes" --overwrite
    figure "$name/losses.png" "Losses"
    figure "$name-reconstructions.png" "Validation images above their reconstructions"
    figure "$name-codes/embedding.png" "Codes, coloured by class"
    figure "$name-manifold.png" "Images decoded over a grid of codes"
    figure "$name-codes/embedding-gmm-10.png" "A mixture of ten components"
    figure "$name-codes/confusion-gmm-10.png" "Its clusters, matched to the classes"
    table "$name-codes/gmm.csv" "The mixture as a classifier: mean and standard deviation over $seeds seeds"
}

# shellcheck disable=SC2046  # a length is an option and its value
one report "With the settings of the report: one hidden layer, two latent dimensions" \
    --arch mlp --hidden 400 --latent-dim 2 $(length "--epochs 30" "--epochs 10")
# shellcheck disable=SC2046
one defaults "With the defaults of gentool" $(length "--epochs 30" "--epochs 10")
finish
