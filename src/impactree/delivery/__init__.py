"""Bringing finished run trees to where exporters write them: on disk first, then in the background.

Read it in this order: :mod:`dispatch` (the tracker's side), :mod:`spool` (the process's one),
:mod:`house` and :mod:`journal` (the disk), :mod:`lane` (a thread per destination) with
:mod:`replay`, :mod:`sender` and :mod:`retry`.
"""
