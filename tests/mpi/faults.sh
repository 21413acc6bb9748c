#!/bin/sh
# A rank is lost: the job ends soon, not with 0, and a rank that does not answer is named: sh faults.sh kill|exit|stop PROGRAM LAUNCHER...
set -eu

how=$1 program=$2 timeout=3
shift 2
log=$(mktemp)
trap 'rm -f "$log" "$log.lost"' EXIT
fail() {
    echo "faults: $how: $1" >&2
    cat "$log" >&2
    exit 1
}
status=0
"$@" "$program" "$how" $timeout "$log.lost" >"$log" 2>&1 || status=$?
[ -e "$log.lost" ] || fail 'no rank was lost'
# From then on: how long a launcher takes to begin is not what is asked.
took=$(($(date +%s) - $(date -r "$log.lost" +%s)))
[ $status != 0 ] || fail 'ended with 0'
[ $took -le $((timeout + 5)) ] || fail "took $took s"
# One that is gone is the launcher's to notice; for one that is there and silent the deadline is.
[ "$how" != stop ] || grep -q "rank 1 did not answer rank [02] within $timeout" "$log" || fail 'nobody names rank 1'
