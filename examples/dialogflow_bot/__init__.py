"""A bot of Dialogflow ES or Dialogflow CX that serves rooms of Switchboard."""
