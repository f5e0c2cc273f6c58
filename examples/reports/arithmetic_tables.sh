#!/bin/sh
# Arithmetic by LSTMs: the share of the queries that training sees, and the depth of encoder and decoder.
#   sh examples/reports/arithmetic_tables.sh    QUICK=1, OUT=folder, DATA=folder with the MNIST files: see page.sh
#   TASKS="text2text image2text text2image"     the tasks whose depth is varied
. "$(dirname "$0")/page.sh"

begin "Arithmetic in tables" "Accuracy against the share of the queries that training sees and against depth, with the settings of the report and with the defaults; what the answers look like." \
    "78 trainings, hours on two CPU cores and most of them for image2text; TASKS=text2text is under an hour"
digits=$(images mnist digits)
report="--recipe classic --batch-size 32 --lr 1e-3 --schedule constant --weight-decay 0 --clip 0"
if quick; then shares=0.3:0.9:0.3 depths=1,2; else shares=0.1:0.9:0.1 depths=1:5; fi

tables() { # tables NAME TITLE CAPTION TASK OPTION...: a sweep, its table and its plot
    swept=$1
    part "$2"
    caption=$3
    task=$4
    shift 4
    gentool seq2seq sweep "$task" --jobs "$JOBS" --out "$OUT/$swept" "$@"
    table "$swept/sweep.csv" "$caption"
    figure "$swept/sweep.png" "The same as a plot"
}

for settings in report defaults; do
    if [ $settings = report ]; then
        how="with the settings of the report"
        options="$report $(arithmetic_length "--epochs 10" "--steps 200")"
    else
        how="with the defaults of gentool"
        options=$(arithmetic_length "" "--steps 200")
    fi
    # shellcheck disable=SC2086  # several options
    tables "shares-$settings" "Share of the training queries, $how" "Accuracy against the share" \
        text2text --train-fraction "$shares" $options
    for task in ${TASKS:-text2text image2text text2image}; do
        case $task in
            text2text) set -- ;;
            *) set -- --digits "$digits" ;;
        esac
        # shellcheck disable=SC2086
        tables "depth-$task-$settings" "Depth, $task, $how" "Layers of the encoder and of the decoder" \
            "$task" --encoder-layers "$depths" --decoder-layers "$depths" --cross "$@" $options
        part "Answers, $task, $how"
        # shellcheck disable=SC2086
        calculator "$task-$settings" "$task" "$@" $options
    done
done
finish
