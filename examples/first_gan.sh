#!/bin/sh
# A first GAN, on pixel-art faces that gentool composes: one to three minutes of training on two cores, no download.
#   sh examples/first_gan.sh        RUN=folder chooses the run's folder; QUICK=1 trains for 20 updates only
set -eu

run=${RUN:-runs/first-gan}
length=
[ "${QUICK:-0}" = 1 ] && length="--steps 20"

# shellcheck disable=SC2086  # a length is an option and its value
gentool train gan --data faces --gif --out "$run" $length
gentool sample gan "$run" -n 25 --out "$run/faces.png" --overwrite

echo "The faces that your GAN has drawn: $run/faces.png"
echo "How it learned to:                 $run/samples.gif"
