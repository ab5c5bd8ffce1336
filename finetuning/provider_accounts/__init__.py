"""An organization's access to the services that train, managed by its admins."""
