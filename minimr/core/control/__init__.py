"""The tables of the cluster (Ray: the GCS)."""
