"""Monitor loads: freshness and its thresholds, a metrics file, a heartbeat."""
