"""From a file or a folder to a spec that trains at once: what `init --from` does.

material.py     which source reads it, how it is written, and its profile
target.py       what is predicted
features.py     how each column enters the network, or why it does not
forecast.py     whether the rows are series, and how far they are forecast
plan.py         split, architecture, loss and training that suit them
yaml_text.py    the spec as text, each line with its reason
"""
