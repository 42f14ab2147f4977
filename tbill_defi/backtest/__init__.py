"""The past, day by day: the same strategies and plans as live, integer books, and contracts beside them."""
