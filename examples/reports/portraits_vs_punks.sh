#!/bin/sh
# Painted portraits and CryptoPunks by a CAE, a VAE and a GAN. The arithmetic of the same report: arithmetic_tables.sh.
#   sh examples/reports/portraits_vs_punks.sh    QUICK=1, OUT=folder, DATA=folder with rijksmuseum (portraits) and
#                                                cryptopunks (the sheet, or a folder with it): see page.sh
SEVERAL=yes
. "$(dirname "$0")/page.sh"

begin "Portraits and punks" "Three models on a few varied paintings and on ten thousand alike faces: epochs side by side, and walks. With the settings of the report, then with the defaults." \
    "12 trainings, hours on two CPU cores and most of them for the GANs"
if quick; then size=32; else size=64; fi
portraits=$(images rijksmuseum shapes --size "$size")
punks=$(images cryptopunks faces --size "$size")

show() { # show SET SETTINGS: the three models side by side
    gentool epochs "$OUT/$1-cae-$2" "$OUT/$1-vae-$2" --kind reconstructions --epochs 1,99 \
        --out "$OUT/$1-reconstructions-$2.png" --overwrite
    gentool epochs "$OUT/$1-vae-$2" "$OUT/$1-gan-$2" --kind samples --epochs 1,50,99 \
        --out "$OUT/$1-samples-$2.png" --overwrite
    figure "$1-reconstructions-$2.png" "Reconstructions at epochs 1 and 99: CAE and VAE"
    figure "$1-samples-$2.png" "Samples at epochs 1, 50 and 99: VAE and GAN"
    for model in vae gan; do
        gentool interpolate "$OUT/$1-$model-$2" --out "$OUT/$1-$model-$2-walk.png" --overwrite
        figure "$1-$model-$2-walk.png" "Walks between two random codes: $model"
    done
    for model in cae vae gan; do
        figure "$1-$model-$2/losses.png" "Losses: $model"
    done
}

report() { # report SET DATA: the three models with the settings of the report
    common="--schedule constant --ema 0 --batch-size 32 $(length "--epochs 100" "--steps 300")"
    # shellcheck disable=SC2086  # several options
    gentool train cae --data "$2" --out "$OUT/$1-cae-report" --loss mse --lr 1e-3 --no-flip --zoom 0 $common
    # shellcheck disable=SC2086
    gentool train vae --data "$2" --out "$OUT/$1-vae-report" --lr 1e-3 --beta 1 --kl-warmup 0 --no-flip --zoom 0 $common
    # shellcheck disable=SC2086
    gentool train gan --data "$2" --out "$OUT/$1-gan-report" --width 128 --lr 2e-4 --norm batch --augment none --no-flip \
        --colours 0 $common
    show "$1" report
}

defaults() { # defaults SET DATA: the three models with the defaults
    for model in cae vae gan; do
        # shellcheck disable=SC2046
        gentool train "$model" --data "$2" --out "$OUT/$1-$model-defaults" $(length "" "--steps 300")
    done
    show "$1" defaults
}

part "Portraits, with the settings of the report"
report portraits "$portraits"
part "Portraits, with the defaults of gentool"
defaults portraits "$portraits"
part "Punks, with the settings of the report"
report punks "$punks"
part "Punks, with the defaults of gentool, in their own size"
punks=$(images cryptopunks faces)
defaults punks "$punks"
finish
