"""Views: one blueprint each. They decode, ask the Farm and render."""
