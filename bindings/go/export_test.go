package skip

// OpenSecrets is how many keys and random bytes were not freed yet.
func OpenSecrets() int64 { return open.Load() }

// OptionNames are the options of the core's table.
func OptionNames() []string { return optionNames() }
