"""A study as one page that opens anywhere, and the check that the page is what the runs say."""
