"""Ray's own microbenchmark, on Ray and on minimr."""
