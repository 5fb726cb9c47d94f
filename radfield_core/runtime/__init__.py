"""Services for the running process: signals, threads, memory, random numbers and progress displays."""
