"""`minigan play`: a page in the browser, on this machine alone, to look at what a generator has learned."""
