"""Reading the contents of sites on the controller: folders, archives, git repositories."""
