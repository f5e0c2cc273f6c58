#!/bin/sh
# Cat faces by a CAE, a VAE and a GAN, and arithmetic over text and handwriting.
#   sh examples/reports/cats.sh    QUICK=1, OUT=folder, DATA=folder with cats (cat faces) and mnist: see page.sh
#   TASKS="text2text image2text text2image"     the arithmetic to do
SEVERAL=yes
. "$(dirname "$0")/page.sh"

begin "Cats and arithmetic" "Reconstructions, new faces and walks of three models, and solved equations: with the settings of the report, then with the defaults." \
    "12 trainings, hours on two CPU cores and most of them for the GANs"
if quick; then size=32; else size=64; fi
cats=$(images cats faces --size "$size")
digits=$(images mnist digits)

show() { # show NAME: what a model of images does
    case $1 in
        cae* | vae*)
            gentool reconstruct "$OUT/$1" --out "$OUT/$1-reconstructions.png" --overwrite
            figure "$1-reconstructions.png" "Test images above their reconstructions"
            ;;
    esac
    case $1 in
        vae* | gan*)
            gentool sample "$OUT/$1" -n 25 --out "$OUT/$1-samples.png" --overwrite
            gentool interpolate "$OUT/$1" --gif --out "$OUT/$1-walk.png" --overwrite
            figure "$1-samples.png" "Generated images"
            figure "$1-walk.png" "Walks between random codes, a row each"
            figure "$1-walk.gif" "The same as a film"
            ;;
    esac
    figure "$1/losses.png" "Losses"
}

epochs() { # epochs SETTINGS: the pictures of epochs of the three models side by side
    gentool epochs "$OUT/cae-$1" "$OUT/vae-$1" --kind reconstructions --out "$OUT/reconstructions-$1.png" --overwrite
    gentool epochs "$OUT/vae-$1" "$OUT/gan-$1" --kind samples --out "$OUT/samples-$1.png" --overwrite
    part "Epochs side by side"
    figure "reconstructions-$1.png" "Reconstructions of the first, a middle and the last epoch"
    figure "samples-$1.png" "Samples of the first, a middle and the last epoch"
}

plain="--lr 1e-3 --schedule constant --ema 0 --no-flip"
part "CAE, with the settings of the report"
# shellcheck disable=SC2046,SC2086  # several options
gentool train cae --data "$cats" --out "$OUT/cae-report" $plain --batch-size 128 $(length "--epochs 75" "--steps 300")
show cae-report
part "VAE, with the settings of the report"
# shellcheck disable=SC2046,SC2086
gentool train vae --data "$cats" --out "$OUT/vae-report" $plain --latent-dim 32 --channels 32,64,128,128 \
    --batch-size 8 --beta 1 --kl-warmup 0 $(length "--epochs 75" "--steps 1000")
show vae-report
part "GAN, with the settings of the report"
# shellcheck disable=SC2046
gentool train gan --data "$cats" --out "$OUT/gan-report" --latent-dim 512 --width 128 --batch-size 64 --lr 2e-4 \
    --schedule constant --ema 0 --norm batch --augment none --no-flip --colours 0 $(length "--epochs 200" "--steps 600")
show gan-report
epochs report

for model in cae vae gan; do
    part "$(echo $model | tr a-z A-Z), with the defaults of gentool"
    # shellcheck disable=SC2046
    gentool train "$model" --data "$cats" --out "$OUT/$model-defaults" $(length "" "--steps 300")
    show "$model-defaults"
done
epochs defaults

for task in ${TASKS:-text2text image2text text2image}; do
    case $task in
        text2text) set -- ;;
        *) set -- --digits "$digits" ;;
    esac
    part "$task, with the settings of the report"
    # shellcheck disable=SC2046
    calculator "$task-report" "$task" "$@" --recipe classic --hidden 256 --batch-size 32 --lr 1e-3 --schedule constant \
        --weight-decay 0 --clip 0 $(arithmetic_length "--epochs 10" "--steps 200")
    part "$task, with the defaults of gentool"
    # shellcheck disable=SC2046
    calculator "$task-defaults" "$task" "$@" $(arithmetic_length "" "--steps 200")
done
finish
