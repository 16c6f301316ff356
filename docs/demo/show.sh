# For the demonstration scripts: show a command, then run it.

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
