"""Looking at it: pages for the browser, and what a layer's weights do."""
