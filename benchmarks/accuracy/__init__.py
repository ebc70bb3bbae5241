"""`make accuracy`: builds labelled pairs of pictures, judges them with twinwatch and with its peers, writes the page.

photos -> bases -> recipes (copies) and edits (look-alikes) -> making -> pairs.csv -> scoring, peers -> page, plots.
"""
