#!/bin/sh
# A VAE, a GAN and a conditional GAN on handwritten digits, side by side.
#   sh examples/reports/digits_three_ways.sh    QUICK=1, OUT=folder, DATA=folder with the MNIST files: see page.sh
. "$(dirname "$0")/page.sh"

begin "Digits three ways" "A VAE, a GAN and a conditional GAN: 25 images of each, how they came about, and scores beside those of real images." \
    "3 trainings, less than an hour on two CPU cores, most of it for the GANs"
data=$(images mnist digits)

for model in vae gan cgan; do
    # shellcheck disable=SC2046  # a length is an option and its value
    gentool train "$model" --data "$data" --out "$OUT/$model" $(length "--epochs 20" "--epochs 20")
    gentool sample "$OUT/$model" -n 25 --out "$OUT/$model-samples.png" --overwrite
    part "$model"
    figure "$model-samples.png" "Samples"
    figure "$model/losses.png" "Losses"
done
gentool epochs "$OUT/vae" "$OUT/gan" "$OUT/cgan" --out "$OUT/epochs.png" --overwrite
gentool compare "$OUT/vae" "$OUT/gan" "$OUT/cgan" --out "$OUT/comparison" --overwrite
part "Side by side"
figure epochs.png "Samples of the first, a middle and the last epoch"
figure comparison/comparison.png "Samples"
table comparison/comparison.csv "Scores"
finish
