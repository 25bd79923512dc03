"""The lecture: a function set, its loss, and picking the best function. No images, no files."""
