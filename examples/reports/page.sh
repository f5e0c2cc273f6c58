# What the reports share; each of them reads this file. A page is OUT/index.html, with its figures and tables in OUT.
#   OUT=folder    where to write; runs/reports/NAME, with -quick behind it for a quick look
#   DATA=path     the images where they are at hand: the source of the report's set, or a folder with a folder or file for
#                 each of its sets, such as DATA/mnist; DATA/SET is what `gentool prepare SET --source` takes
#   QUICK=1       trains for a short time, on embedded images where DATA has none
#   STEPS=n       sets the updates of every training
#   BUDGET=10m    trains each model of images for this long, arithmetic in full
#   JOBS=n        trainings of a sweep at a time, by default 2
# The same command again continues, and trains nothing twice.
set -eu

quick() { [ "${QUICK:-0}" = 1 ]; }

name=$(basename "$0" .sh)
if quick; then name=$name-quick; fi
OUT=${OUT:-runs/reports/$name}
JOBS=${JOBS:-2}

say() { echo "$*" >&2; }

# length EPOCHS_OR_STEPS_OPTION QUICK_OPTION: how long to train a model of images
length() {
    if [ -n "${STEPS:-}" ]; then
        echo "--steps $STEPS"
    elif [ -n "${BUDGET:-}" ]; then
        echo "--budget $BUDGET"
    elif quick; then
        echo "$2"
    else
        echo "$1"
    fi
}

# arithmetic_length EPOCHS_OR_STEPS_OPTION QUICK_OPTION: the same for arithmetic, which no BUDGET cuts
arithmetic_length() { (BUDGET= && length "$@"); }

# source_of NAME: where DATA has a set, or nothing. SEVERAL=yes says that the report has several sets.
source_of() {
    if [ -z "${DATA:-}" ]; then return; fi
    if [ -e "$DATA/$1" ]; then
        echo "$DATA/$1"
    elif [ -z "${SEVERAL:-}" ] || [ ! -d "$DATA" ]; then
        echo "$DATA"
    else
        say "there is no $DATA/$1"
    fi
}

# images NAME EMBEDDED [OPTION...]: prepare a named set and print its --data; the embedded set for a quick look without
# DATA. The options are those of `gentool prepare`.
images() {
    set_name=$1
    embedded=$2
    shift 2
    suffix=$(echo "$*" | tr -dc 'a-z0-9')
    source=$(source_of "$set_name")
    if [ -n "$source" ]; then
        set -- "$set_name" --source "$source" "$@"
    elif quick; then
        say "$embedded in place of $set_name"
        set_name=$embedded
        if [ "$embedded" = digits ]; then
            echo digits
            return
        fi
        set -- "$embedded" --count 1000 "$@"
    elif [ $# = 0 ]; then
        gentool prepare "$set_name" >&2 || exit
        echo "$set_name"
        return
    else
        set -- "$set_name" "$@"
    fi
    gentool prepare "$@" --quiet --out "$OUT/data/$set_name$suffix" --overwrite >&2 || exit
    echo "$OUT/data/$set_name$suffix"
}

# begin TITLE WHAT TIME: say how long it takes, and start the page
begin() {
    if ! quick && [ -z "${STEPS:-}${BUDGET:-}" ]; then say "$1: $3. QUICK=1 takes minutes"; fi
    mkdir -p "$OUT"
    cat > "$OUT/index.html" <<HTML
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$1</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
figure { margin: 2rem 0 } img { max-width: 100%; height: auto; background: white } pre, .table { overflow-x: auto }
table { border-collapse: collapse } td, th { border: 1px solid gray; padding: .2rem .6rem; text-align: right }
</style>
<h1>$1</h1>
<p>$2</p>
HTML
}

part() { echo "<h2>$1</h2>" >> "$OUT/index.html"; }

# figure FILE CAPTION: a picture in OUT, with a link to it in its full size
figure() {
    echo "<figure><a href=\"$1\"><img src=\"$1\" alt=\"$2\"></a><figcaption>$2</figcaption></figure>" >> "$OUT/index.html"
}

# table FILE CAPTION: a CSV file in OUT, its numbers in four digits
table() {
    {
        echo "<p>$2 (<a href=\"$1\">CSV</a>)</p><div class=\"table\"><table>"
        LC_ALL=C awk '
            {
                row = ""
                rest = $0 ","
                while (rest != "") {
                    if (match(rest, /^"([^"]|"")*",/)) {
                        cell = substr(rest, 2, RLENGTH - 3)
                        gsub(/""/, "\"", cell)
                    } else {
                        match(rest, /^[^,]*,/)
                        cell = substr(rest, 1, RLENGTH - 1)
                    }
                    rest = substr(rest, RLENGTH + 1)
                    if (cell ~ /^-?[0-9]+\.[0-9]+(e[-+]?[0-9]+)?$/) cell = sprintf("%.4g", cell)
                    if (NR == 1) gsub(/_/, " ", cell)
                    gsub(/&/, "\\&amp;", cell)
                    gsub(/</, "\\&lt;", cell)
                    row = row (NR == 1 ? "<th>" : "<td>") cell
                }
                print "<tr>" row
            }' < "$OUT/$1"
        echo "</table></div>"
    } >> "$OUT/index.html"
}

# text FILE CAPTION: a text file in OUT
text() {
    {
        echo "<p>$2 (<a href=\"$1\">text</a>)</p><pre>"
        sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' "$OUT/$1"
        echo "</pre>"
    } >> "$OUT/index.html"
}

# calculator NAME TASK OPTION...: train a network on arithmetic, and show what it answers
calculator() {
    run="$OUT/$1"
    shown=$1
    task=$2
    shift 2
    gentool seq2seq train "$task" --out "$run" "$@"
    gentool seq2seq evaluate "$run" --out "$run-evaluation" --overwrite
    gentool seq2seq solve "$run" 81+24 7-31 99+99 5-5 31-98 > "$run-solved.txt"
    figure "$shown-evaluation/curves.png" "Loss, and the share of right answers and characters by epoch"
    text "$shown-solved.txt" "Solved queries, with the probability of each answer"
    case $task in
        *image) figure "$shown/answers.png" "The same answers as it draws them" ;;
    esac
    case $task in
        *image*) figure "$shown-evaluation/examples.png" "Held-out queries and answers" ;;
    esac
    figure "$shown-evaluation/answers.png" "Right and predicted answers; what is no number is left out"
    figure "$shown-evaluation/distances.png" "Predicted minus right answer"
    table "$shown-evaluation/scores.csv" "Scores"
}

finish() { echo "The page: $OUT/index.html"; }
