"""Custom fields: defining them, checking their values and binding filters to them."""
