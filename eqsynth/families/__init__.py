"""What a group is, one family in each file, and how its elements act."""
