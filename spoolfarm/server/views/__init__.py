"""Views: one blueprint each. They decode the request, call the Farm and render the response."""
