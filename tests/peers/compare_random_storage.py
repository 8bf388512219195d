"""compare_random.py over blocks, late samples, deletions and restarts: a thousand queries of a fixed seed."""

import sys

import compare_random

if __name__ == "__main__":
    sys.argv[1:] = ["--storage", "--count", "1000", *sys.argv[1:]]
    compare_random.main()
