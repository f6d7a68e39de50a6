"""Measure each middleware against its peers, in one interleaved run; see ``benchmarks/README.md``."""
