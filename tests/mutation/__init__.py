"""Small changes of the code that moves money, each of which a test has to notice: `python -m tests.mutation`."""
