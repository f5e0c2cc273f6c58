#!/bin/sh
# CryptoPunks, from preparing the images to a film of the training: under half an hour on two CPU cores.
#   sh examples/cryptopunks.sh [PUNKS.PNG]    the sheet of 2400x2400 pixels; without it, it is fetched and checked
#   RUN=folder chooses the run's folder; QUICK=1 trains for two epochs only
set -eu

run=${RUN:-runs/gan-cryptopunks}
epochs=200
[ "${QUICK:-0}" = 1 ] && epochs=2

gentool prepare cryptopunks ${1:+--source "$1"}
gentool train gan --data cryptopunks --epochs "$epochs" --gif --out "$run"
gentool sample gan "$run" -n 25 --out "$run/punks.png" --overwrite
gentool sample gan "$run" -n 25 --palette 128 --out "$run/punks-palette.png" --overwrite

echo "New punks:                             $run/punks.png"
echo "The same in the 128 commonest colours: $run/punks-palette.png"
echo "The film of the training:              $run/samples.gif"
