"""What outlives a kernel: the log of runs, the cache of answers, tapes beside notebooks."""
