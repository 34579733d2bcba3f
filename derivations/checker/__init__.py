"""Reads the pages strictly, and asks of every formula on them whether it is so."""
