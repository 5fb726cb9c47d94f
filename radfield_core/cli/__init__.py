"""The command line. Each verb has a module that defines `HELP`, `configure(parser)` and `run(args) -> exit code`."""
