# For the chapters of the demonstration: steps, with a table of them at the end, and commands that are shown before
# they run.

# step WHAT [FILE]: starts a step; the table at the end tells what it was, how long it took, and what file it made.
steps=()
step() {
	local now
	now=$(date +%s%N)
	if ((${#steps[@]} > 0)); then
		steps[-1]+="|$((now - started))"
	fi
	if (($# > 0)); then
		steps+=("$1|${2:-}")
		printf '\n\n== %s\n' "$1"
	fi
	started=$(date +%s%N)
}

# table: ends the last step and prints what was done.
table() {
	local entry what file nanoseconds
	step
	printf '\n\n== What was done\n\n'
	printf '%-76s %8s  %s\n' Step Seconds File
	for entry in "${steps[@]}"; do
		IFS='|' read -r what file nanoseconds <<<"$entry"
		printf '%-76s %5d.%02d  %s\n' "$what" $((nanoseconds / 1000000000)) $((nanoseconds / 10000000 % 100)) "$file"
	done
}

# show COMMAND...: prints a command as one could type it.
show() {
	local word line='$'
	for word in "$@"; do
		[[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]] || word=${word@Q}
		line+=" $word"
	done
	printf '\n%s\n' "$line"
}

run() {
	show "$@"
	"$@"
}

# expect STATUS COMMAND...: runs a command whose exit status is known.
expect() {
	local want=$1 status=0
	shift
	run "$@" || status=$?
	echo "(exit status $status)"
	((status == want)) || { echo "expected exit status $want" >&2; exit 1; }
}
