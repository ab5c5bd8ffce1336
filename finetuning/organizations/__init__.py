"""An organization's own settings, its workspaces, and the profile of who looks at them."""
