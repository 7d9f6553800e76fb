"""What data looks like before anything is trained on it: one profile for `check --deep`, `init --from` and data.json.

column.py       what one column holds
table.py        what a table holds, and its parts
frame.py        its columns with one value a row, in memory or one at a time
finding.py      something about the data that a careful colleague would say
written.py      how the texts of a column are written: numbers, times, stand-ins
values.py       findings in single columns: constant, ids, missing, numbers and times written as text
leaks.py        columns that give the target away
rows.py         rows that are there twice, and rows that differ in the target alone
pictures.py     images that look alike
classes.py      classes that are rare, absent or outnumbered
times.py        holes in the times of a series
drift.py        parts that differ from the train part
look.py         all of that, on a data set that has been loaded
"""
