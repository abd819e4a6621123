"""The SQL tables: their rows, their versions, and what is read from them.

For the command line and for a server; the exporter that writes them is in ``impactree.exporters``.
"""
