"""What one works with in a notebook beyond cells: comparisons to vote on, a playground, conversations, the log.

Each widget is three files of one name: `.py` (what it does), `.js` and `.css` (how it looks).
It holds no logic that a script would miss, and what it shows stands in the notebook as plain
HTML too (its face), for readers with no kernel.
"""
