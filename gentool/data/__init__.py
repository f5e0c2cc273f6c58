"""Images in: everything from a name, a folder or an archive to a uint8 tensor."""
