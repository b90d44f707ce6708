"""How an evaluation is shown.

- `page`: the HTML report
- `plots`: its plots as SVG
- `plot_words`: titles of axes, and why intervals are missing
- `figure`: the same plots as matplotlib Axes
- `tables`: models, pairs, answers, slices
- `sentences`: conclusions in sentences
- `number_text`: numbers in sentences
- `power`: rows needed for a gap, equivalence within a margin
- `row_filter`: the rows behind a number
"""
