"""For who watches over the nights: freshness and its thresholds, a metrics file, a heartbeat."""
