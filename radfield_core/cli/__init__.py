"""The command line: one module per verb, with `HELP`, `configure(parser)` and `run(args) -> exit code`."""
