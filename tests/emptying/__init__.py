"""What empties the database between tests."""
