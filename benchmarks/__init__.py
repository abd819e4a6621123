"""Speed and memory against peers: ``make bench``. See docs/benchmarks.md."""
