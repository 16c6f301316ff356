package cli

// noDumps has nothing to do: whether Windows keeps dumps of programs is for its administrator to say.
func noDumps() error { return nil }
