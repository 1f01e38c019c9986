"""An app that lets an outside system decide who serves a conversation."""
