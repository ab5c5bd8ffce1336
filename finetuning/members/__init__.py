"""Who belongs to an organization, and inviting others."""
