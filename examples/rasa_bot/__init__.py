"""A bot of Rasa Open Source that serves rooms of Switchboard."""
