"""The public page of a standstill: static files that check every claim in the visitor's own browser.

This package imports nothing; ``claims.site.generate`` writes the site, ``claims.site.serve`` serves one on this machine.
"""
