//! What Home Assistant asks of us, carried out on GPIO lines, files and programs.
