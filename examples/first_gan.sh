#!/bin/sh
# A first GAN, on scikit-learn's 8x8 handwritten digits: about a minute of training, no download.
#   sh examples/first_gan.sh        RUN=folder chooses the run's folder; QUICK=1 trains for two epochs only
set -eu

run=${RUN:-runs/first-gan}
epochs=150
[ "${QUICK:-0}" = 1 ] && epochs=2

gentool train gan --data digits --epochs "$epochs" --gif --out "$run"
gentool sample gan "$run" -n 25 --out "$run/digits.png" --overwrite

echo "The digits that your GAN has drawn: $run/digits.png"
echo "How it learned to:                  $run/samples.gif"
