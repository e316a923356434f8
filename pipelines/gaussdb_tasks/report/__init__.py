"""The report: one HTML page with plots, made from the views of the database."""
