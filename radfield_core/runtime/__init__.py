"""The process: signals, threads, memory, random numbers and progress."""
