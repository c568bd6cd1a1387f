"""Reading text: find its boxes, read each one, tell how the page is turned, put the lines in order."""
