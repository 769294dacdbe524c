"""A window's records judged, booked and written down in columns (docs/decisions/0014). Pure but for the files it is given."""
