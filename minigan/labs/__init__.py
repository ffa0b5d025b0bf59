"""The labs of the course (docs/course): files to start from, and their checker.

`lab01.py` to `lab10.py` say what each lab's tasks are and how they are checked; `start/` has the files that students
get. The forward that stands there is the specification: no backward, and no other
solution, is in this package.
"""
