# What the reports share; each of them reads this file. A page is OUT/index.html, with its figures and tables in OUT.
#   OUT=folder chooses the folder
#   DATA=path names the images where they are at hand
#   QUICK=1 trains for a short time, without DATA on the embedded digits
#   STEPS=n sets the updates of every training
set -eu

quick() { [ "${QUICK:-0}" = 1 ]; }

# length EPOCHS_OR_STEPS_OPTION QUICK_OPTION: how long to train
length() {
    if [ -n "${STEPS:-}" ]; then echo "--steps $STEPS"; elif quick; then echo "$2"; else echo "$1"; fi
}

# images NAME EMBEDDED: the --data of a named set, from DATA if it is given; the embedded set for a quick look without
images() {
    if [ -n "${DATA:-}" ]; then
        gentool prepare "$1" --source "$DATA" --quiet --out "$OUT/images" --overwrite >&2
        echo "$OUT/images"
    elif quick; then
        echo "$2"
    else
        gentool prepare "$1" >&2
        echo "$1"
    fi
}

# begin TITLE WHAT: start the page
begin() {
    mkdir -p "$OUT"
    cat > "$OUT/index.html" <<HTML
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$1</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
figure { margin: 2rem 0 } img { max-width: 100%; height: auto; background: white }
table { border-collapse: collapse } td, th { border: 1px solid gray; padding: .2rem .6rem; text-align: right }
</style>
<h1>$1</h1>
<p>$2</p>
HTML
}

part() { echo "<h2>$1</h2>" >> "$OUT/index.html"; }

# figure FILE CAPTION: a picture in OUT
figure() { echo "<figure><img src=\"$1\" alt=\"$2\"><figcaption>$2</figcaption></figure>" >> "$OUT/index.html"; }

# table FILE CAPTION: a CSV file in OUT
table() {
    {
        echo "<p>$2 (<a href=\"$1\">CSV</a>)</p><table>"
        sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/,/<td>/g' -e 's/^/<tr><td>/' "$OUT/$1"
        echo "</table>"
    } >> "$OUT/index.html"
}

finish() { echo "The page: $OUT/index.html"; }
